"""One account's billing cycles and where it stands: a walk through statements and payments in the order of time.

The conventions are those of `scoring.features.history`, which says the same with window functions: a payment counts towards the minimums of
statements cut by its day, oldest first; an excess does not prepay the next minimum; a minimum due today is not past due.
Days are counted as ages: how many lie between a day and the as-of day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from scoring.features.one_account.known import since
from scoring.portfolio.clean_rows import Columns
from scoring.vocabulary import QUALIFYING_KINDS

Features = dict[str, float | int | None]


class Paid(NamedTuple):
    """A qualifying payment: days since, amount, and whether the customer had to do something for it."""

    age_days: int
    cents: int
    is_autopay: bool


@dataclass(slots=True)
class Cycle:
    """A statement, what was paid from its day until the day before the next, and how far behind the account was when it was cut."""

    age_days: int
    due_age_days: int
    balance_cents: int
    minimum_due_cents: int | None
    reported_dpd: int | None
    purchases_cents: int | None
    cash_advances_cents: int | None
    interest_and_fees_cents: int | None
    dpd: int | None = None
    unpaid_cents: int = 0
    paid_cents: int = 0
    paid: list[Paid] = field(default_factory=list)

    @property
    def paid_by_due_cents(self) -> int:
        """What was paid in this cycle by its due date."""
        return sum(paid.cents for paid in self.paid if paid.age_days >= self.due_age_days)


@dataclass(frozen=True)
class History:
    """An account with a statement: cycles newest first, qualifying payments oldest first, and its limit and opening."""

    cycles: Sequence[Cycle]
    paid: Sequence[Paid]
    credit_limit_cents: int
    account_age_days: int

    def within(self, days: int) -> list[Cycle]:
        """Cycles cut fewer than ``days`` days ago, newest first."""
        return [cycle for cycle in self.cycles if cycle.age_days < days]


def walk(statements: Columns, paid: Sequence[Paid], as_of: int) -> list[Cycle]:
    """The cycles of an account, newest first.

    Parameters
    ----------
    statements : columns
        Known on the as-of day.
    paid : sequence of Paid, oldest first
    as_of : int
        Ordinal of the day.

    Returns
    -------
    list of Cycle
        With what was paid in each, ``dpd`` at its statement (None where nothing says), and ``unpaid_cents``: what is left of its minimum on the
        as-of day.

    Examples
    --------
    >>> from scoring.portfolio.clean_rows import clean_history
    >>> from scoring.portfolio.reading import SMALLEST
    >>> from datetime import date
    >>> statements, day = clean_history(SMALLEST)["statements"], date(2025, 4, 1)
    >>> [cycle] = walk(statements, [Paid(0, 5_000, False)], day.toordinal())
    >>> cycle.age_days, cycle.due_age_days, cycle.unpaid_cents
    (27, 7, 7000)
    """
    cycles = _cut(statements, as_of)
    later = iter(paid)
    following = next(later, None)
    oldest = 0  # the oldest cycle whose minimum is not paid up
    for place, cycle in enumerate(cycles):
        cycle.unpaid_cents = cycle.minimum_due_cents or 0
        oldest = _oldest_unpaid(cycles, oldest, place)
        behind = max(cycles[oldest].due_age_days - cycle.age_days, 0) if cycles[oldest].unpaid_cents else 0
        cycle.dpd = cycle.reported_dpd if cycle.minimum_due_cents is None else behind
        until = cycles[place + 1].age_days if place + 1 < len(cycles) else -1
        while following is not None and following.age_days > until:
            if following.age_days <= cycle.age_days:
                cycle.paid.append(following)
                cycle.paid_cents += following.cents
                oldest = _pay(cycles, oldest, place, following.cents)
            following = next(later, None)
    return cycles[::-1]


def _cut(statements: Columns, as_of: int) -> list[Cycle]:
    """Cycles as their statements state them, oldest first."""
    ages = ([since(day, as_of) for day in statements[name]] for name in ("statement_on", "due_on"))
    stated = ("balance_cents", "minimum_due_cents", "reported_dpd")
    spent = ("purchases_cents", "cash_advances_cents", "interest_and_fees_cents")
    columns = zip(*ages, *(statements[name] for name in (*stated, *spent)), strict=True)
    return sorted((Cycle(*row) for row in columns), key=attrgetter("age_days"), reverse=True)


def _oldest_unpaid(cycles: list[Cycle], oldest: int, last: int) -> int:
    """The first cycle from ``oldest`` on with an unpaid minimum; ``last`` where there is none."""
    while oldest < last and not cycles[oldest].unpaid_cents:
        oldest += 1
    return oldest


def _pay(cycles: list[Cycle], oldest: int, last: int, cents: int) -> int:
    """Pay the minimums up to the cycle ``last``, oldest first; what is left pays nothing. The oldest unpaid one after it."""
    while cents:
        oldest = _oldest_unpaid(cycles, oldest, last)
        part = min(cycles[oldest].unpaid_cents, cents)
        if not part:
            break
        cycles[oldest].unpaid_cents -= part
        cents -= part
    return oldest


def qualifying(payments: Columns, as_of: int) -> list[Paid]:
    """What the customer paid and was not returned, oldest first.

    >>> from datetime import date, datetime
    >>> payments = {"kind": ["voluntary", "refund"], "paid_at": [datetime(2025, 3, 1)] * 2}
    >>> payments |= {"amount_cents": [5, 7], "reversed_at": [None, None]}
    >>> qualifying(payments, date(2025, 3, 2).toordinal())
    [Paid(age_days=1, cents=5, is_autopay=False)]
    """
    columns = zip(*(payments[name] for name in ("paid_at", "amount_cents", "kind", "reversed_at")), strict=True)
    paid = [
        Paid(since(paid_at, as_of), cents, kind == "autopay")
        for paid_at, cents, kind, reversed_at in columns
        if reversed_at is None and kind in _QUALIFYING
    ]
    return sorted(paid, key=attrgetter("age_days"), reverse=True)


_QUALIFYING = frozenset(str(kind) for kind in QUALIFYING_KINDS)


def position(cycles: Sequence[Cycle], standings: Columns | None) -> dict[str, Any]:
    """Where an account stands at the end of the as-of day.

    Parameters
    ----------
    cycles : sequence of Cycle, newest first
        As `walk` left them.
    standings : columns or None
        Known on the as-of day.

    Returns
    -------
    dict
        ``dpd``, ``past_due_cents``, ``cure_amount_cents``, ``n_unpaid_minimums``, ``last_minimum_due_cents``, ``balance_cents`` and the holds,
        as `scoring.features.history.positions` and `with_holds` say them.

    Examples
    --------
    >>> cycle = Cycle(27, 7, 120_000, 12_000, None, None, None, None, unpaid_cents=7_000)
    >>> found = position([cycle], None)
    >>> found["dpd"], found["past_due_cents"], found["is_disputed"]
    (7, 7000, False)
    """
    last = cycles[0]
    if last.minimum_due_cents is None:
        owed = _reported(last)
    else:
        overdue = [cycle for cycle in cycles if cycle.unpaid_cents and cycle.due_age_days > 0]
        owed = {
            "dpd": max((cycle.due_age_days for cycle in overdue), default=0),
            "past_due_cents": sum(cycle.unpaid_cents for cycle in overdue),
            "cure_amount_cents": sum(cycle.unpaid_cents for cycle in cycles),
            "n_unpaid_minimums": len(overdue),
        }
    return {
        **owed,
        "last_minimum_due_cents": last.minimum_due_cents,
        "balance_cents": last.balance_cents,
        **_holds(standings),
    }


def _reported(last: Cycle) -> dict[str, Any]:
    """Without a minimum due the days that the source reported go on, and the balance is at stake."""
    reported, stake = last.reported_dpd or 0, max(last.balance_cents, 0)
    return {
        "dpd": reported + last.age_days if reported else 0,
        "past_due_cents": stake if reported else 0,
        "cure_amount_cents": stake,
        "n_unpaid_minimums": None,
    }


def _holds(standings: Columns | None) -> dict[str, bool]:
    flags = zip(standings["kind"], standings["until_at"], strict=True) if standings else ()
    holding = {kind for kind, until in flags if until is None}
    return {
        "is_charged_off": not holding.isdisjoint(("charged_off", "sold")),
        "is_deceased": "deceased" in holding,
        "is_disputed": not holding.isdisjoint(("dispute_open", "fraud_suspected")),
        "is_on_kept_plan": "plan_signed" in holding and "plan_breached" not in holding,
    }


def ratio(top: float | int | None, bottom: float | int | None) -> float | None:
    """One division of two doubles, as SQL divides; None where either is absent or the lower one is 0.

    >>> ratio(1, 4), ratio(1, 0), ratio(None, 4)
    (0.25, None, None)
    """
    return None if top is None or not bottom else float(top) / float(bottom)


def total(values: Iterable[int | None]) -> int | None:
    """A sum over what was observed; None where nothing was.

    >>> total([1, None, 2]), total([None])
    (3, None)
    """
    seen = [value for value in values if value is not None]
    return sum(seen) if seen else None


def streak(holds: Iterable[bool]) -> int:
    """How often something held in a row from the start.

    >>> streak([True, True, False, True])
    2
    """
    length = 0
    for one in holds:
        if not one:
            break
        length += 1
    return length
