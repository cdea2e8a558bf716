"""Promises to pay, kept, broken and open: `scoring.features.promises` for one account."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from scoring.features.one_account.history import Features, Paid, ratio
from scoring.features.one_account.known import since
from scoring.features.promises import GRACE_DAYS, KEPT_SHARE_PERCENT
from scoring.portfolio.clean_rows import Columns


class _Judged(NamedTuple):
    """A promise: days since it was made and since its grace ended, the amount, and whether it was kept."""

    made_age: int
    due_age: int
    cents: int
    is_kept: bool


def promises(known: Columns | None, paid: Sequence[Paid], as_of: int) -> Features:
    """Promise history of an account.

    Parameters
    ----------
    known : columns or None
        Promises known on the as-of day; None where the table was not observed.
    paid : sequence of Paid, oldest first
    as_of : int
        Ordinal of the day. Promises whose due day plus grace has not passed are open.

    Returns
    -------
    dict of feature name to value
        Counts of an observed table are 0 where there is no promise; the rate of kept ones is absent: never asked is not never kept.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> made = {"made_at": [datetime(2025, 3, 1)], "due_on": [date(2025, 3, 8)], "promised_cents": [9_000]}
    >>> found = promises(made, [Paid(25, 8_100, False)], date(2025, 3, 31).toordinal())
    >>> found["kept_promise_rate_180d"], found["broken_promises_90d"], found["days_since_last_promise"]
    (1.0, 0, 30)
    """
    judged = [] if known is None else _judged(known, paid, as_of)
    fell = [promise for promise in judged if promise.due_age > 0]
    half = [promise.is_kept for promise in fell if promise.due_age < 180]
    counts: Features = {
        "n_promises_90d": sum(promise.made_age < 90 for promise in judged),
        "n_promises_365d": sum(promise.made_age < 365 for promise in judged),
        "broken_promises_90d": sum(promise.due_age < 90 and not promise.is_kept for promise in fell),
        "broken_promises_365d": sum(promise.due_age < 365 and not promise.is_kept for promise in fell),
        "open_promised_cents": sum(promise.cents for promise in judged if promise.due_age <= 0),
    }
    return {
        **(dict.fromkeys(counts) if known is None else counts),
        "kept_promise_rate_180d": ratio(sum(half), len(half)),
        "days_since_last_promise": min((promise.made_age for promise in judged), default=None),
    }


def _judged(known: Columns, paid: Sequence[Paid], as_of: int) -> list[_Judged]:
    paid_on = [as_of - payment.age_days for payment in paid]
    paid_until = [0, *accumulate(payment.cents for payment in paid)]
    judged = []
    for made_at, due_on, cents in zip(known["made_at"], known["due_on"], known["promised_cents"], strict=True):
        last_on = due_on.toordinal() + GRACE_DAYS
        before, by_then = bisect_left(paid_on, made_at.toordinal()), bisect_right(paid_on, last_on)
        inside = max(paid_until[by_then] - paid_until[before], 0)
        is_kept = inside * 100 >= cents * KEPT_SHARE_PERCENT
        judged.append(_Judged(since(made_at, as_of), as_of - last_on, cents, is_kept))
    return judged
