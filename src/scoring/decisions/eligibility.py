"""Whether a personal instalment plan may be agreed (2011 Measures art. 70): tests with their evidence, terms, a person's approval.

Two tests go together: the debt is beyond the holder's means, *and* the holder still wants to pay. Willingness must have been shown by
something the customer did; the estimate is stated beside it and decides nothing alone. An unknown fact makes the answer ``needs_evidence``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents, day_number
from scoring.decisions.house_numbers import house_numbers
from scoring.decisions.plan_states import PlanStates
from scoring.decisions.plan_terms import OFFERS
from scoring.policy import Profile, Truth
from scoring.vocabulary import Evidence

ART_70: Final = "2011 Measures art. 70"
TESTS: Final = (
    "debt_beyond_means",
    "willingness_shown",
    "evidence_sufficient",
    "terms_within_60_months",
    "no_plan_running",
    "no_dispute",
)
"""Each must hold, in this order."""
REQUIRED_TERMS: Final = (
    "balance_structure_currency",
    "cycle_method_currency_dates_amounts",
    "fees_and_interest_during_plan",
    "no_new_card_until_settled",
    "rights_duties_breach",
    "other_repayment_matters",
)
"""What the agreement must say, where the profile names nothing else."""
APPROVAL: Final = (
    "a person approves the terms before they are signed; an oral agreement is recorded and kept to settlement"
)

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Eligibility:
    """The art. 70 answer of each account.

    Attributes
    ----------
    states : array (n_accounts,) of str
        ``eligible``, ``not_eligible`` or ``needs_evidence``. Eligible means that a person may agree a plan, never that one is agreed.
    tests : array (n_accounts, 6) of int8
        `Truth` of each of `TESTS`.
    shown_by : array (n_accounts,) of str
        What showed willingness: ``payment``, ``promise``, ``inbound_contact``, or empty.
    willingness_estimate : array (n_accounts,)
    required_terms : tuple of str
    """

    states: npt.NDArray[np.object_]
    tests: Codes
    shown_by: npt.NDArray[np.object_]
    willingness_estimate: npt.NDArray[np.float64]
    required_terms: tuple[str, ...]

    def tree(self, row: int) -> dict[str, Any]:
        """One account's object, as plain JSON values."""
        return {
            "cite": ART_70,
            "state": str(self.states[row]),
            "tests": {name: Truth(int(code)).name.lower() for name, code in zip(TESTS, self.tests[row], strict=True)},
            "willingness_shown_by": str(self.shown_by[row]),
            "willingness_estimate": round(float(self.willingness_estimate[row]), 6),
            "required_terms": list(self.required_terms),
            "approval": APPROVAL,
            "decided_by": "person",
        }


def art_70(
    events: AccountEvents,
    positions: pd.DataFrame,
    scored: pd.DataFrame,
    terms: pd.DataFrame,
    plans: PlanStates,
    profile: Profile | None = None,
) -> Eligibility:
    """Test every account; all arguments in the same order.

    Parameters
    ----------
    positions : DataFrame
        ``balance_cents``, ``is_disputed``, ``is_deceased``, as in a feature frame.
    scored : DataFrame
        ``evidence``, ``w_none``, ``payable_mid_cents``, ``cure_amount_cents``, as in ``scores.parquet``.
    terms : DataFrame
        The result of `scoring.decisions.plan_terms.plan_terms`.

    Returns
    -------
    Eligibility
    """
    numbers = house_numbers("plan_terms")
    payable = scored["payable_mid_cents"].to_numpy(dtype=np.int64)
    debt = positions["balance_cents"].to_numpy(dtype=np.int64)
    beyond = (payable < scored["cure_amount_cents"].to_numpy()) & (debt > payable * numbers.whole("reference_months"))
    shown_by = willingness_shown_by(events, numbers.whole("shown_willingness_days"))
    known = scored["evidence"].to_numpy() == str(Evidence.SUFFICIENT)
    never_asked = (shown_by == "") & ~np.isin(["promises", "contacts"], list(events.observed)).all()
    tests = np.stack(
        [
            np.where(known, _truth(beyond), Truth.UNKNOWN),
            np.where(never_asked, Truth.UNKNOWN, _truth(shown_by != "")),
            np.where(known, Truth.TRUE, Truth.UNKNOWN),
            np.where(known, _truth(np.isin(terms["kind"].to_numpy(dtype=object), OFFERS)), Truth.UNKNOWN),
            _truth(~plans.stops_collection),
            _truth(~(positions["is_disputed"] | positions["is_deceased"]).to_numpy(dtype=bool)),
        ],
        axis=1,
    ).astype(np.int8)
    states = np.select(
        [(tests == Truth.FALSE).any(axis=1), (tests == Truth.UNKNOWN).any(axis=1)],
        ["not_eligible", "needs_evidence"],
        "eligible",
    )
    return Eligibility(
        states.astype(object), tests, shown_by, scored["w_none"].to_numpy(dtype=np.float64), required_terms(profile)
    )


def _truth(holds: npt.NDArray[np.bool_]) -> Codes:
    return np.where(holds, Truth.TRUE, Truth.FALSE).astype(np.int8)


def required_terms(profile: Profile | None) -> tuple[str, ...]:
    """What the agreement must say: the profile's list, or that of art. 70.

    >>> len(required_terms(None))
    6
    """
    plan: Mapping[str, Any] = {} if profile is None else profile.parameters.get("plan", {})
    return tuple(plan.get("required_terms", REQUIRED_TERMS))


def willingness_shown_by(events: AccountEvents, days: int) -> npt.NDArray[np.object_]:
    """What the customer did lately that shows a wish to pay; empty where nothing was seen.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> seen = account_events(portfolio_from_tables(SMALLEST), np.array(["A1"], dtype=object), date(2025, 5, 1))
    >>> willingness_shown_by(seen, 3650).tolist()
    ['payment']
    """
    since = day_number(events.as_of) - days
    shown = np.full(len(events), "", dtype=object)
    for rows, on, what in (
        (events.last_inbound_on >= since, None, "inbound_contact"),
        (events.promises["row"].to_numpy(), events.promises["made_on"].to_numpy(), "promise"),
        (events.payments["row"].to_numpy(), events.payments["paid_on"].to_numpy(), "payment"),
    ):
        shown[rows if on is None else rows[on >= since].astype(np.int64)] = what
    return shown
