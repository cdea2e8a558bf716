"""What was paid, when against the due date, how regularly: `scoring.features.payments` for one account."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from scoring.features.one_account.history import Cycle, Features, History, Paid, ratio, streak, total
from scoring.features.one_account.known import since
from scoring.features.payments import WINDOWS
from scoring.portfolio.clean_rows import Columns


def payment_amounts(paid: Sequence[Paid], position: dict[str, Any]) -> Features:
    """Amounts, counts and gaps of qualifying payments, and their size against what would cure.

    Parameters
    ----------
    paid : sequence of Paid, oldest first
    position : dict
        As `scoring.features.one_account.history.position` gives it.

    Returns
    -------
    dict of feature name to value
        A window of w days holds ages 0 to w - 1.

    Examples
    --------
    >>> found = payment_amounts([Paid(40, 3_000, True), Paid(10, 5_000, False)], {"cure_amount_cents": 10_000})
    >>> found["paid_cents_30d"], found["paid_to_cure_ratio_90d"], found["longest_payment_gap_days_365d"]
    (5000, 0.8, 30)
    """
    cure = position["cure_amount_cents"]
    found: Features = {}
    for window in WINDOWS:
        inside = [payment.cents for payment in paid if payment.age_days < window]
        found[f"paid_cents_{window}d"], found[f"n_payments_{window}d"] = sum(inside), len(inside)
    year = [payment for payment in paid if payment.age_days < 365]
    amounts = [payment.cents for payment in year]
    gaps = [one.age_days - other.age_days for one, other in pairwise(paid) if other.age_days < 365]
    last_day = paid[-1].age_days if paid else None
    last = max((payment.cents for payment in paid if payment.age_days == last_day), default=None)
    largest = max(amounts, default=None)
    return found | {
        "days_since_last_payment": last_day,
        "last_payment_cents": last,
        "last_payment_to_cure_ratio": ratio(last, cure),
        "largest_payment_to_cure_ratio_365d": ratio(largest, cure),
        "paid_to_cure_ratio_90d": ratio(found["paid_cents_90d"], cure),
        "payment_trend_90d": ratio(
            found["paid_cents_90d"], sum(payment.cents for payment in paid if 90 <= payment.age_days < 180)
        ),
        "longest_payment_gap_days_365d": max(gaps, default=None),
        "mean_payment_gap_days_365d": ratio(sum(gaps), len(gaps)),
        "payment_spread_ratio_365d": None
        if largest is None
        else ratio((largest - min(amounts)) * len(year), sum(amounts)),
        "autopay_share_365d": ratio(sum(payment.is_autopay for payment in year), len(year)),
    }


def other_credits(payments: Columns, as_of: int) -> Features:
    """Reversals, and credits that are not payments by the customer.

    >>> other_credits({"reversed_at": [], "kind": [], "paid_at": [], "amount_cents": []}, 739_341)["n_reversals_180d"]
    0
    """
    returned = [since(at, as_of) for at in payments["reversed_at"] if at is not None]
    columns = zip(*(payments[name] for name in ("kind", "paid_at", "amount_cents")), strict=True)
    others = (
        cents
        for kind, paid_at, cents in columns
        if kind not in ("voluntary", "autopay") and since(paid_at, as_of) < 180
    )
    return {
        "n_reversals_180d": sum(age < 180 for age in returned),
        "n_reversals_365d": sum(age < 365 for age in returned),
        "other_credits_cents_180d": sum(others),
    }


def payment_cycles(history: History) -> Features:
    """Payments against what each closed cycle asked for; a cycle is closed when the next statement has been cut.

    Returns
    -------
    dict of feature name to value
        Ratios, shares, streaks and timing. A payment still possible is never counted as missed.

    Examples
    --------
    >>> cut = Cycle(60, 40, 50_000, 5_000, None, None, None, None, paid_cents=9_000, paid=[Paid(50, 9_000, False)])
    >>> found = payment_cycles(History([Cycle(30, 10, 0, 0, None, None, None, None), cut], [], 0, 400))
    >>> found["paid_by_due_share_365d"], found["mean_days_payment_to_due_365d"], found["paid_cents_2_cycles"]
    (1.0, -10.0, None)
    """
    closed = history.cycles[1:]
    half = [cycle for cycle in closed if cycle.age_days < 180]
    asked = [cycle for cycle in closed if cycle.balance_cents > 0 and cycle.age_days < 365]
    asked_half = [cycle for cycle in asked if cycle.age_days < 180]
    billed = [cycle for cycle in asked if cycle.minimum_due_cents]
    first = [cycle.due_age_days - cycle.paid[0].age_days for cycle in asked if cycle.paid]
    last = closed[0] if closed else None
    return {
        "days_to_first_payment_last_cycle": last.age_days - last.paid[0].age_days if last and last.paid else None,
        "mean_days_payment_to_due_365d": ratio(sum(first), len(first)),
        "paid_by_due_share_365d": ratio(
            sum(cycle.paid_by_due_cents >= (cycle.minimum_due_cents or 0) for cycle in billed), len(billed)
        ),
        "paid_cycle_share_180d": ratio(sum(bool(cycle.paid) for cycle in asked_half), len(asked_half)),
        "paid_cycle_share_365d": ratio(len(first), len(asked)),
        "partial_cycles_180d": sum(
            bool(cycle.paid) and cycle.minimum_due_cents is not None and cycle.paid_cents < cycle.minimum_due_cents
            for cycle in half
        ),
        "full_balance_share_365d": ratio(
            sum(cycle.paid_cents * 100 >= cycle.balance_cents * 95 for cycle in asked), len(asked)
        ),
        "paid_streak_cycles": streak(bool(cycle.paid) for cycle in closed) if closed else None,
        "unpaid_streak_cycles": streak(not cycle.paid for cycle in closed) if closed else None,
        "paid_to_balance_ratio_1_cycle": _paid_to_balance(closed[:1]),
        "paid_to_balance_ratio_2_cycles": _paid_to_balance(closed[1:2]),
        "paid_to_balance_ratio_90d": _paid_to_balance([cycle for cycle in closed if cycle.age_days < 120]),
        "paid_to_balance_ratio_365d": _paid_to_balance(asked),
        "paid_cents_1_cycle": last.paid_cents if last else None,
        "paid_cents_2_cycles": closed[1].paid_cents if len(closed) > 1 else None,
    }


def _paid_to_balance(cycles: Sequence[Cycle]) -> float | None:
    asked = sum(max(cycle.balance_cents, 0) for cycle in cycles)
    return ratio(sum(cycle.paid_cents for cycle in cycles), asked)


def dues(cycles: Sequence[Cycle], amounts: Features) -> Features:
    """Amounts paid over the minimums that fell due in 90, 180 and 365 days.

    >>> cycle = Cycle(30, 10, 50_000, 4_000, None, None, None, None)
    >>> dues([cycle], {f"paid_cents_{w}d": 1_000 for w in (90, 180, 365)})["paid_to_due_ratio_90d"]
    0.25
    """
    return {
        f"paid_to_due_ratio_{window}d": ratio(
            amounts[f"paid_cents_{window}d"],
            total(cycle.minimum_due_cents for cycle in cycles if 0 <= cycle.due_age_days < window),
        )
        for window in (90, 180, 365)
    }
