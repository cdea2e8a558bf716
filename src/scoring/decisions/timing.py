"""When an account may be contacted again, when it should be, and when it is looked at next.

Four things hold a contact back whatever it is worth: a plan, a pause for special circumstances, a promise that is not yet due (with its
grace), and the days between two contacts. A fifth is a choice: waiting for the day on which payments usually come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from scoring.decisions.account_events import NO_DAY, AccountEvents, Ints, day_number
from scoring.decisions.first_case import first_case
from scoring.decisions.grace import GraceHolds, grace_holds
from scoring.decisions.house_numbers import house_numbers
from scoring.decisions.payday import (
    PaymentCurve,
    PaymentDays,
    Waiting,
    days_to_next_bucket,
    payment_curve,
    payment_days,
    value_of_waiting,
)
from scoring.decisions.plan_states import PlanStates, plan_states
from scoring.features.promises import GRACE_DAYS
from scoring.vocabulary import CONTACT_CHANNELS, Channel, Treatment

PLAN_UNCLEAR: Final = "plan_unclear"
PLAN_KEPT: Final = "plan_kept"
GRACE_HOLD: Final = "grace_hold"
PROMISE_OPEN: Final = "promise_open"
PAYDAY_NEAR: Final = "payday_near"
CONTACTED_LATELY: Final = "contacted_lately"
HOLDS: Final = (PLAN_UNCLEAR, PLAN_KEPT, GRACE_HOLD, PROMISE_OPEN)
"""Reasons that hold back every contact, strongest first."""
REASONS: Final = (*HOLDS, PAYDAY_NEAR, CONTACTED_LATELY)
"""Every reason that time can give for not contacting today."""

_GAPS: Final = {
    Channel.SMS: "days_between_messages",
    Channel.APP_PUSH: "days_between_messages",
    Channel.EMAIL: "days_between_messages",
    Channel.AI_VOICE: "days_between_calls",
    Channel.AGENT_CALL: "days_between_calls",
    Channel.LETTER: "days_between_letters",
    Channel.FIELD_VISIT: "days_between_letters",
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """What time says about each account, before any channel is chosen.

    Attributes
    ----------
    first_day : int
        The day after ``as_of``, days since 1970: the first possible contact.
    holds : array (n_accounts,) of str
        One of `HOLDS`, or empty.
    held_until : array (n_accounts,)
        Last day of the hold, days since 1970; -1 where there is none or it has no end.
    too_soon : array (n_accounts, 9) of bool
        Channels whose days since the last contact have not passed.
    plans : PlanStates
    grace : GraceHolds
    seen : PaymentDays
    curve : PaymentCurve
    """

    first_day: int
    holds: npt.NDArray[np.object_]
    held_until: Ints
    too_soon: npt.NDArray[np.bool_]
    plans: PlanStates
    grace: GraceHolds
    seen: PaymentDays
    curve: PaymentCurve

    def take(self, rows: slice) -> Timing:
        """The same for some of the accounts, under the same curve."""
        plans = PlanStates(self.plans.states[rows], self.plans.is_unclear[rows], self.plans.since[rows])
        grace = self.grace
        paused = GraceHolds(
            grace.kinds[rows], grace.expires_on[rows], grace.evidence_refs[rows], grace.needs_evidence[rows]
        )
        seen = PaymentDays(self.seen.day[rows], self.seen.share[rows], self.seen.n_payments[rows])
        held = self.holds[rows], self.held_until[rows], self.too_soon[rows]
        return Timing(self.first_day, *held, plans, paused, seen, self.curve)

    def waiting(self, values: Floats, costs: Floats, dpd: Ints) -> Waiting:
        """Whether to wait for the usual payment day, given net values per channel (-inf where not possible) and their costs.

        Examples
        --------
        See `scoring.decisions.payday.value_of_waiting`.
        """
        n = len(self.holds)
        if not n:
            return Waiting(np.empty(0, dtype=np.int64), np.empty(0))
        best = values.argmax(axis=1)
        rows = np.arange(n)
        return value_of_waiting(self.seen, self.curve, values[rows, best], costs[rows, best], dpd, self.first_day)


def timing(events: AccountEvents, curve: PaymentCurve | None = None) -> Timing:
    """Read holds, cadence and payment days from the events of some accounts.

    Parameters
    ----------
    events : AccountEvents
    curve : PaymentCurve, optional
        Another than these accounts' own payments give: an account that is decided by itself has the plan's.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> due = {"promise_id": "R1", "account_id": "A1", "made_at": "2025-04-28T08:00:00Z", "promised_cents": 5000, "due_on": "2025-05-04"}
    >>> given = portfolio_from_tables({**SMALLEST, "promises": [due]})
    >>> held = timing(account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1)))
    >>> held.holds.tolist(), (held.held_until - held.first_day).tolist()
    (['promise_open'], [5])
    """
    tomorrow = day_number(events.as_of) + 1
    plans, grace = plan_states(events), grace_holds(events)
    promised_until = open_promise_until(events)
    paused, promised = grace.is_held(tomorrow), promised_until >= tomorrow
    by_plan = plans.stops_collection & ~plans.is_unclear
    holds = np.select([plans.is_unclear, by_plan, paused, promised], list(HOLDS), "").astype(object)
    no_end = np.full(len(events), NO_DAY, dtype=np.int64)
    until = np.select(
        [plans.is_unclear | by_plan, paused, promised], [no_end, grace.expires_on, promised_until], NO_DAY
    )
    return Timing(
        first_day=tomorrow,
        holds=holds,
        held_until=until.astype(np.int64),
        too_soon=earliest_days(events) > tomorrow,
        plans=plans,
        grace=grace,
        seen=payment_days(events),
        curve=curve or payment_curve(events),
    )


@dataclass(frozen=True)
class HeldBack:
    """What is left when time has had its say; see `hold_back`.

    Attributes
    ----------
    values : array (n_accounts, 9)
    treatments, reasons : arrays (n_accounts,) of str
    waiting : Waiting
        Of the accounts that wait for their usual payment day; 0 days for all others.
    """

    values: Floats
    treatments: npt.NDArray[np.object_]
    reasons: npt.NDArray[np.object_]
    waiting: Waiting


def hold_back(
    values: Floats,
    treatments: npt.NDArray[np.object_],
    reasons: npt.NDArray[np.object_],
    when: Timing,
    costs: Floats,
    dpd: Ints,
) -> HeldBack:
    """Take away what time does not allow: holds, cadence, and contacts that are worth more on a later day.

    Parameters
    ----------
    values : array (n_accounts, 9)
        Net values; ``-inf`` where a channel is not possible.
    treatments, reasons : arrays (n_accounts,) of str
        ``reasons`` is why nothing is done, empty where something may be; a reason that is there already stays.
    costs : array (n_accounts, 9)
        What a contact costs and harms on whatever day.

    Returns
    -------
    HeldBack
        Held accounts and those that wait have no possible channel and a reason; a pause has its own treatment.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> signed = {"account_id": "A1", "kind": "plan_signed", "from_at": "2025-04-01T08:00:00Z"}
    >>> given = portfolio_from_tables({**SMALLEST, "standings": [signed]})
    >>> when = timing(account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1)))
    >>> one, none = np.array(["reminder"], dtype=object), np.array([""], dtype=object)
    >>> held = hold_back(np.full((1, 9), 100.0), one, none, when, np.zeros((1, 9)), np.array([3]))
    >>> held.treatments.tolist(), held.reasons.tolist()
    (['no_action'], ['plan_kept'])
    """
    held = (when.holds != "") & (reasons == "")
    was_possible = np.isfinite(values).any(axis=1) if len(values) else np.empty(0, dtype=bool)
    values = np.where(held[:, None] | when.too_soon, -np.inf, values)
    possible = np.isfinite(values).any(axis=1) if len(values) else np.empty(0, dtype=bool)
    waiting = when.waiting(values, costs, dpd)
    waits = (waiting.days > 0) & ~held & (reasons == "")
    rests = was_possible & ~possible & ~held & (reasons == "")
    values = np.where(waits[:, None], -np.inf, values)
    reasons = first_case([(held, when.holds), (waits, PAYDAY_NEAR), (rests, CONTACTED_LATELY)], reasons)
    paused = held & (when.holds == GRACE_HOLD)
    treatments = first_case([(paused, str(Treatment.GRACE_HOLD)), (held, str(Treatment.NO_ACTION))], treatments)
    return HeldBack(
        values, treatments, reasons, Waiting(np.where(waits, waiting.days, 0), np.where(waits, waiting.gain_cents, 0.0))
    )


def open_promise_until(events: AccountEvents) -> Ints:
    """Last day on which an open promise holds contacts back, its grace included; -1 where there is none.

    A promise is open until its due day plus grace has passed. One dated far ahead holds for a limited time only.
    """
    most = house_numbers("timing").whole("promise_hold_most_days")
    until = np.full(len(events), NO_DAY, dtype=np.int64)
    due, made = (events.promises[name].to_numpy(dtype=np.int64) for name in ("due_on", "made_on"))
    np.maximum.at(until, events.promises["row"].to_numpy(dtype=np.int64), np.minimum(due + GRACE_DAYS, made + most))
    return np.where(until > day_number(events.as_of), until, NO_DAY)


def earliest_days(events: AccountEvents) -> Ints:
    """First day on which each channel may be used again after the last contact, shape (n_accounts, 9)."""
    gaps = np.array([channel_gap_days(channel) for channel in CONTACT_CHANNELS], dtype=np.int64)
    last = events.last_contact_on
    return np.where((last >= 0)[:, None], last[:, None] + gaps[None, :], NO_DAY)


def channel_gap_days(channel: Channel) -> int:
    """Days between a contact and the next one through this channel; 0 where cadence does not matter.

    >>> channel_gap_days(Channel.SMS), channel_gap_days(Channel.LEGAL_REFERRAL)
    (5, 0)
    """
    return house_numbers("timing").whole(_GAPS[channel]) if channel in _GAPS else 0


def next_review_days(when: Timing, channels: npt.NDArray[np.object_], dpd: Ints, contact_days: Ints) -> Ints:
    """The next day on which each account is looked at: after its contact, when its hold ends, or before the next bucket.

    Parameters
    ----------
    channels : array (n_accounts,) of str
    contact_days : array (n_accounts,)
        Day of the contact, or the day waited for; -1 where there is neither.

    Returns
    -------
    array (n_accounts,)
        Days since 1970, always after ``as_of``'s next day, at most the house's longest time ahead.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> when = timing(account_events(portfolio_from_tables(SMALLEST), np.array(["A1"], dtype=object), date(2025, 5, 1)))
    >>> later = next_review_days(when, np.array(["sms"], dtype=object), np.array([3]), np.array([when.first_day]))
    >>> (later - when.first_day).tolist()
    [5]
    """
    gap_of = {str(channel): channel_gap_days(channel) for channel in CONTACT_CHANNELS}
    longest = house_numbers("timing").whole("review_days")
    gaps = np.array([gap_of.get(str(channel), 0) for channel in channels], dtype=np.int64)
    never = np.int64(when.first_day + longest)
    contacted = channels.astype(str) != str(Channel.NONE)
    after_contact = np.where(
        contacted, contact_days + np.maximum(gaps, 1), np.where(contact_days > 0, contact_days, never)
    )
    after_hold = np.where(when.held_until >= 0, when.held_until + 1, never)
    at_next_bucket = when.first_day - 1 + days_to_next_bucket(dpd)
    soonest = np.minimum(np.minimum(after_contact, after_hold), np.minimum(at_next_bucket, never))
    return np.asarray(np.maximum(soonest, when.first_day + 1), dtype=np.int64)
