"""What goes with a decision: when to contact, which plan to offer, what to ask, what to repair, what a person needs to decide.

`treatment_details` works on all accounts of a plan at once. Its frame goes into the queue files; `scoring.decisions.detail_columns` makes
the columns of a decision record from the same object, so both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents, Ints, account_events, day_texts, open_standings
from scoring.decisions.capacity import Slot
from scoring.decisions.contact_hours import ContactHours, contact_hours
from scoring.decisions.eligibility import Eligibility, art_70
from scoring.decisions.house_numbers import house_numbers
from scoring.decisions.legal_review import LegalReview, legal_review
from scoring.decisions.payday import Waiting
from scoring.decisions.plan_terms import BEYOND_MEANS, OFFERS, Means, plan_terms
from scoring.decisions.timing import Timing, next_review_days, timing
from scoring.policy import Profile
from scoring.portfolio.reading import Portfolio
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition, token_cents
from scoring.vocabulary import Channel, Evidence, Treatment

DETAIL_COLUMNS: Final = (
    "contact_on", "contact_from_hour", "contact_until_hour", "contact_hours_basis", "next_review_on", "hold", "held_until",
    "usual_payment_day", "wait_days", "wait_gain_cents", "plan_state", "plan_kind", "plan_instalments", "plan_instalment_cents",
    "plan_last_instalment_cents", "plan_deferral_months", "plan_waiver_cents", "plan_cost_cents", "plan_eligibility", "grace_until",
    "ask_about", "repair", "legal_completeness",
)  # fmt: skip
"""Columns that queue files may carry, one value per account; missing where they do not apply."""
QUESTIONS: Final = (
    "what_changed",
    "what_is_possible_and_when",
    "income",
    "evidence_of_circumstances",
    "broken_promise",
)
REPAIRS: Final = (
    "own_number_invalid",
    "no_address_on_file",
    "check_other_account_of_customer",
    "ask_at_next_inbound_contact",
)

Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class TreatmentDetails:
    """Details of some decisions, in their order.

    Attributes
    ----------
    table : DataFrame
        The columns of `DETAIL_COLUMNS`.
    events : AccountEvents
    when : Timing
    hours : ContactHours
    terms : DataFrame
        Of every account, offered or not.
    eligibility : Eligibility
    legal : LegalReview
    """

    table: pd.DataFrame
    events: AccountEvents
    when: Timing
    hours: ContactHours
    terms: pd.DataFrame
    eligibility: Eligibility
    legal: LegalReview

    def __len__(self) -> int:
        return len(self.table)


def versions() -> dict[str, str]:
    """Hashes of the tables that timing and terms come from, for the record and the run id.

    >>> sorted(versions())
    ['plan_terms', 'timing']
    """
    return {name: house_numbers(name).version for name in ("plan_terms", "timing")}


def timing_of(portfolio: Portfolio, account_ids: Objects, as_of: date) -> tuple[AccountEvents, Timing]:
    """Events and timing of some accounts, in their order.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> _, when = timing_of(portfolio_from_tables(SMALLEST), np.array(["A1"], dtype=object), date(2025, 5, 1))
    >>> when.holds.tolist()
    ['']
    """
    events = account_events(portfolio, account_ids, as_of)
    return events, timing(events)


def treatment_details(
    events: AccountEvents,
    when: Timing,
    scores: Scores,
    decisions: pd.DataFrame,
    definition: TargetDefinition,
    *,
    waiting: Waiting | None = None,
    profile: Profile | None = None,
    call_hours: tuple[Ints, Ints] | None = None,
) -> TreatmentDetails:
    """Everything that goes with the decisions of a plan.

    Parameters
    ----------
    events, when : AccountEvents, Timing
        Of the accounts of ``scores``, in their order; see `timing_of`.
    decisions : DataFrame
        ``channel``, ``treatment`` and ``reason``, as in ``decisions.parquet``.
    waiting : Waiting, optional
        Which accounts wait for their usual payment day; see `scoring.decisions.timing.hold_back`.
    profile : Profile, optional
        The contact policy; without one only the house's hours hold.
    call_hours : (array, array), optional
        Hours of the slot of each agent's call; see `slot_hours`.

    Returns
    -------
    TreatmentDetails
    """
    table, positions = scores.table, scores.frame.positions
    channels = decisions["channel"].to_numpy(dtype=object)
    dpd = table["dpd"].to_numpy(dtype=np.int64)
    waits = waiting or Waiting(np.zeros(len(table), dtype=np.int64), np.zeros(len(table)))
    contacted = channels.astype(str) != str(Channel.NONE)
    contact_days = np.where(contacted, when.first_day, np.where(waits.days > 0, when.first_day + waits.days, -1))
    zones = profile.default_zones if profile is not None else ()
    hours = contact_hours(events, channels, profile, zones, date.fromordinal(events.as_of.toordinal() + 1))
    if call_hours is not None:
        hours = hours.within(*call_hours)
    terms = plan_terms(_means(scores, events, when, definition))
    eligible = art_70(events, positions, table, terms, when.plans, profile)
    file = legal_review(events, positions)
    treatment = decisions["treatment"].to_numpy(dtype=object)
    offers_plan = (treatment == str(Treatment.PLAN_OFFER)) & np.isin(
        terms["kind"].to_numpy(dtype=object), (*OFFERS, BEYOND_MEANS)
    )
    asks = _questions(events, scores, when, treatment)
    repairs = _repairs(events, decisions, treatment)
    days = {
        "contact_on": contact_days,
        "next_review_on": next_review_days(when, channels, dpd, contact_days),
        "held_until": when.held_until,
        "grace_until": when.grace.expires_on,
    }
    whole = {
        "contact_from_hour": (hours.from_hour, hours.from_hour >= 0),
        "contact_until_hour": (hours.until_hour, hours.until_hour >= 0),
        "usual_payment_day": (when.seen.day, when.seen.day > 0),
        "wait_days": (waits.days, waits.days > 0),
        "wait_gain_cents": (np.round(waits.gain_cents), waits.days > 0),
        "plan_instalments": (terms["n_instalments"], offers_plan),
        "plan_instalment_cents": (terms["instalment_cents"], offers_plan),
        "plan_last_instalment_cents": (terms["last_instalment_cents"], offers_plan),
        "plan_deferral_months": (terms["deferral_months"], offers_plan),
        "plan_waiver_cents": (terms["waiver_cents"], offers_plan),
        "plan_cost_cents": (terms["cost_cents"], offers_plan),
    }
    is_legal = treatment == str(Treatment.LEGAL_REVIEW)
    columns: dict[str, Any] = {
        **{name: day_texts(found) for name, found in days.items()},
        **{name: _whole(found, shown) for name, (found, shown) in whole.items()},
        "contact_hours_basis": hours.basis,
        "hold": when.holds,
        "plan_state": when.plans.states,
        "plan_kind": _shown(terms["kind"].to_numpy(dtype=object), offers_plan),
        "plan_eligibility": _shown(eligible.states, offers_plan),
        "ask_about": asks,
        "repair": repairs,
        "legal_completeness": np.where(is_legal, file.completeness, np.nan),
    }
    shown = pd.DataFrame({name: columns[name] for name in DETAIL_COLUMNS})
    return TreatmentDetails(shown, events, when, hours, terms, eligible, file)


def slot_hours(names: Objects | None, slots: tuple[Slot, ...]) -> tuple[Ints, Ints] | None:
    """First hour and end of each account's slot, -1 without one; None where the day has no slots.

    Examples
    --------
    >>> first, end = slot_hours(np.array(["morning", ""], dtype=object), (Slot("morning", 9, 12, 60.0),))
    >>> first.tolist(), end.tolist()
    ([9, -1], [12, -1])
    """
    if names is None:
        return None
    first = {slot.name: slot.from_hour for slot in slots}
    end = {slot.name: slot.until_hour for slot in slots}
    return tuple(np.array([of.get(str(name), -1) for name in names], dtype=np.int64) for of in (first, end))  # type: ignore[return-value]


def _shown(texts: Objects, shown: npt.NDArray[np.bool_]) -> Objects:
    return np.asarray(pd.Series(texts, dtype=object).where(shown, None), dtype=object)


def _whole(values: Any, shown: npt.NDArray[np.bool_]) -> pd.Series:
    return pd.Series(np.asarray(values, dtype=np.int64)).astype("Int64").where(pd.Series(shown))


def _means(scores: Scores, events: AccountEvents, when: Timing, definition: TargetDefinition) -> Means:
    table, positions = scores.table, scores.frame.positions
    payable = {
        f"payable_{s}_cents": table[f"payable_{s}_cents"].to_numpy(dtype=np.int64) for s in ("low", "mid", "high")
    }
    cure = table["cure_amount_cents"].to_numpy(dtype=np.int64)
    return Means(
        debt_cents=np.maximum(positions["balance_cents"].to_numpy(dtype=np.int64), cure),
        cure_cents=cure,
        **payable,
        interest_cents_365d=events.interest_cents_365d,
        is_passing=(when.grace.kinds != "") | when.grace.needs_evidence,
        token_cents=token_cents(positions, definition),
    )


def _questions(events: AccountEvents, scores: Scores, when: Timing, treatment: Objects) -> Objects:
    """Topics to ask about, comma-separated; missing where nothing is asked."""
    asked = np.isin(treatment, [str(Treatment.ASK_REASON), str(Treatment.PLAN_OFFER), str(Treatment.NEGOTIATE)])
    reason = treatment == str(Treatment.ASK_REASON)
    thin = scores.table["evidence"].to_numpy(dtype=object) == str(Evidence.INSUFFICIENT)
    broken = _broke_a_promise(events)
    include = (
        (QUESTIONS[0], reason),
        (QUESTIONS[1], asked),
        (QUESTIONS[2], asked & (thin | ("inflows" not in events.observed))),
        (QUESTIONS[3], asked & when.grace.needs_evidence),
        (QUESTIONS[4], asked & broken),
    )
    return _listed(include)


def _broke_a_promise(events: AccountEvents) -> npt.NDArray[np.bool_]:
    """A promise fell due within the history and nothing was paid between its making and its due day."""
    promises, payments = events.promises, events.payments
    fell = promises[promises["due_on"].to_numpy() < events.as_of.toordinal() - date(1970, 1, 1).toordinal()]
    pairs = fell.reset_index(names="promise").merge(payments, on="row")
    inside = (pairs["paid_on"] >= pairs["made_on"]) & (pairs["paid_on"] <= pairs["due_on"] + 3)
    kept = pairs.loc[inside, "promise"].unique()
    broken = np.zeros(len(events), dtype=bool)
    broken[fell.loc[~fell.index.isin(kept), "row"].to_numpy(dtype=np.int64)] = True
    return broken


def _repairs(events: AccountEvents, decisions: pd.DataFrame, treatment: Objects) -> Objects:
    """What to repair in the contact data and how; nobody but the customer is asked."""
    n = len(events)
    flags = open_standings(events)
    invalid = np.zeros(n, dtype=bool)
    wrong = flags["kind"].isin(["own_number_invalid", "loss_of_contact"])
    invalid[flags.loc[wrong, "row"].to_numpy(dtype=np.int64)] = True
    repair = treatment == str(Treatment.REPAIR_CONTACT_DATA)
    needed = repair | invalid
    no_address = decisions["reason"].to_numpy(dtype=object) == "no_address_on_file"
    return _listed(((REPAIRS[0], invalid), (REPAIRS[1], no_address), (REPAIRS[2], needed), (REPAIRS[3], needed)))


def _listed(include: tuple[tuple[str, npt.NDArray[np.bool_]], ...]) -> Objects:
    """Words joined by commas where they apply; None where none does."""
    code = sum((shown.astype(np.int64) << place for place, (_, shown) in enumerate(include)), start=np.int64(0))
    texts = [
        ",".join(word for place, (word, _) in enumerate(include) if bits >> place & 1) or None
        for bits in range(1 << len(include))
    ]
    return np.array(texts, dtype=object)[np.asarray(code)]
