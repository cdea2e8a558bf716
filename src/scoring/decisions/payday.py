"""The day of the month on which an account usually pays, and what it is worth to wait for it.

The usual day comes from the account's own payments. How much likelier payments are around that day is measured on this portfolio, on
payments made after those that showed the day, so that the curve is not its own proof. A contact is remembered for some days; it is worth
more just before days on which people pay. Waiting costs a little each day and never goes past the next bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents, Ints, day_number
from scoring.decisions.house_numbers import house_numbers
from scoring.vocabulary import BUCKET_FIRST_DPD

DAYS_OF_A_MONTH: Final = 31
WINDOW_DAYS: Final = 3
_NEWER_DAYS: Final = 120

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PaymentDays:
    """The usual payment day: ``day`` of the month (0: none is seen), ``share`` of payments on it and the two days after."""

    day: Ints
    share: Floats
    n_payments: Ints


@dataclass(frozen=True)
class PaymentCurve:
    """How likely payments are by days since the usual day, mean 1 over a month; flat where too few were seen.

    Examples
    --------
    >>> PaymentCurve(np.ones(31), 0).weight(np.array([0, 5]), 5).tolist()
    [1.0, 1.0]
    """

    relative: Floats
    n_payments: int

    def stated(self) -> dict[str, Any]:
        """As ``plan.json`` keeps it.

        >>> PaymentCurve.of(PaymentCurve(np.ones(31), 7).stated()).n_payments
        7
        """
        return {"relative": self.relative.tolist(), "n_payments": self.n_payments}

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> PaymentCurve:
        """What `stated` gave."""
        return cls(np.array(stated["relative"], dtype=np.float64), int(stated["n_payments"]))

    def weight(self, offset: Ints, days: int) -> Floats:
        """Mean of the curve over some days from an offset on."""
        twice = np.concatenate([self.relative, self.relative])
        running = np.concatenate([[0.0], np.cumsum(twice)])
        begin = np.mod(offset, DAYS_OF_A_MONTH)
        return np.asarray((running[begin + days] - running[begin]) / days)


@dataclass(frozen=True)
class Waiting:
    """What waiting for a better day is worth: ``days`` from the first contact day (0: do not wait) and the gain in minor units."""

    days: Ints
    gain_cents: Floats


def payment_days(events: AccountEvents, *, before: int | None = None) -> PaymentDays:
    """The usual payment day of each account, from its qualifying payments of a year.

    Parameters
    ----------
    before : int, optional
        Use only payments before this day (days since 1970).

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> one = dict(SMALLEST["payments"][0])
    >>> paid = [one | {"payment_id": f"P{m}", "paid_at": f"2025-0{m}-15T04:00:00Z"} for m in (2, 3, 4)]
    >>> given = portfolio_from_tables({**SMALLEST, "payments": paid})
    >>> payment_days(account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1))).day.tolist()
    [13]
    """
    numbers, end = house_numbers("timing"), day_number(events.as_of) + 1
    before = end if before is None else before
    paid_on = events.payments["paid_on"].to_numpy(dtype=np.int64)
    used = (paid_on >= end - numbers.whole("payment_day_history_days")) & (paid_on < before)
    counts = np.zeros((len(events), DAYS_OF_A_MONTH), dtype=np.int64)
    np.add.at(counts, (events.payments["row"].to_numpy(dtype=np.int64)[used], day_of_month(paid_on[used]) - 1), 1)
    windows = sum(np.roll(counts, -shift, axis=1) for shift in range(WINDOW_DAYS))
    total = counts.sum(axis=1)
    best = np.asarray(windows).argmax(axis=1) if len(events) else np.empty(0, dtype=np.int64)
    share = np.asarray(windows)[np.arange(len(events)), best] / np.maximum(total, 1)
    is_seen = (total >= numbers.whole("fewest_payments")) & (share >= numbers["payment_day_share"])
    return PaymentDays(np.where(is_seen, best + 1, 0), share, total)


def day_of_month(days: Ints) -> Ints:
    """1 to 31 of days since 1970.

    >>> day_of_month(np.array([0, 30, 31])).tolist()
    [1, 31, 1]
    """
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(days - months + 1, dtype=np.int64)


def payment_curve(events: AccountEvents) -> PaymentCurve:
    """Measure the curve: the day from payments until four months ago, the curve from those after."""
    return _curve(_newer_offsets(events))


def flat_curve() -> PaymentCurve:
    """The curve where nothing is known: every day is as good.

    >>> set(flat_curve().relative.tolist())
    {1.0}
    """
    return _curve(np.zeros(0, dtype=np.int64))


def _newer_offsets(events: AccountEvents) -> Ints:
    """Days since the usual day of each newer payment; the usual day comes from older ones."""
    split = day_number(events.as_of) + 1 - _NEWER_DAYS
    seen = payment_days(events, before=split)
    paid_on = events.payments["paid_on"].to_numpy(dtype=np.int64)
    rows = events.payments["row"].to_numpy(dtype=np.int64)
    used = (paid_on >= split) & (seen.day[rows] > 0)
    return np.asarray(np.mod(day_of_month(paid_on[used]) - seen.day[rows[used]], DAYS_OF_A_MONTH), dtype=np.int64)


def _curve(offsets: Ints) -> PaymentCurve:
    counts = np.bincount(offsets, minlength=DAYS_OF_A_MONTH).astype(np.float64)
    n = int(counts.sum())
    if n < house_numbers("timing").whole("fewest_pooled_payments"):
        return PaymentCurve(np.ones(DAYS_OF_A_MONTH), n)
    return PaymentCurve(counts / counts.mean(), n)


def value_of_waiting(
    seen: PaymentDays, curve: PaymentCurve, value_cents: Floats, cost_cents: Floats, dpd: Ints, first_day: int
) -> Waiting:
    """Compare a contact on ``first_day`` with one on a later day, up to some days and never past the next bucket.

    Parameters
    ----------
    value_cents : array (n,)
        Net value of the contact on an average day; at most 0 or not finite: there is nothing to wait for.
    cost_cents : array (n,)
        What the contact costs on whatever day.
    dpd : array (n,)
    first_day : int
        First possible day of contact, days since 1970.

    Returns
    -------
    Waiting

    Examples
    --------
    >>> peak = np.ones(31); peak[0] = 8.0
    >>> waits = value_of_waiting(PaymentDays(np.array([15]), np.array([1.0]), np.array([9])), PaymentCurve(peak / peak.mean(), 900),
    ...                          np.array([5000.0]), np.array([0.0]), np.array([3]), 20218)   # 10 May 2025
    >>> waits.days.tolist()
    [1]
    """
    numbers = house_numbers("timing")
    most, remembered = numbers.whole("most_days_of_waiting"), numbers.whole("effect_days")
    gross = np.where(np.isfinite(value_cents), value_cents, 0.0) + cost_cents
    best_days = np.zeros(len(gross), dtype=np.int64)
    offset = np.mod(day_of_month(np.full(len(gross), first_day)) - seen.day, DAYS_OF_A_MONTH)
    now = gross * curve.weight(offset, remembered)
    best = now.copy()
    if not ((seen.day > 0) & (value_cents > 0)).any():
        return Waiting(best_days, np.zeros(len(gross)))  # nobody has a day to wait for
    until_worse = days_to_next_bucket(dpd) - 1
    for wait in range(1, most + 1):
        there = np.mod(day_of_month(np.full(len(gross), first_day + wait)) - seen.day, DAYS_OF_A_MONTH)
        later = gross * curve.weight(there, remembered) * (1.0 - numbers["delay_cost_daily"]) ** wait
        better = (later > best) & (wait < until_worse)
        best[better], best_days[better] = later[better], wait
    gain = best - now
    worth = (seen.day > 0) & (value_cents > 0) & (gain > numbers["smallest_gain_of_waiting"] * gross)
    return Waiting(np.where(worth, best_days, 0), np.where(worth, gain, 0.0))


def days_to_next_bucket(dpd: Ints) -> Ints:
    """Days until the account would be in a worse bucket; very many in the last one.

    >>> days_to_next_bucket(np.array([1, 29, 30, 200])).tolist()
    [29, 1, 30, 10000]
    """
    first = np.array([*BUCKET_FIRST_DPD.values(), 10**9])
    ahead = first[np.searchsorted(first, dpd, side="right").clip(max=len(first) - 1)] - dpd
    return np.asarray(np.minimum(ahead, 10_000), dtype=np.int64)


def usual_day_texts(seen: PaymentDays) -> pd.Series:
    """The usual day as whole numbers with missing values, for records."""
    return pd.Series(seen.day).where(seen.day > 0).astype("Int64")
