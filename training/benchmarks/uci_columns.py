"""Columns of the UCI benchmark: engineered from the wide public file, without demographics and without the target.

The benchmark asks a textbook question (default in October from six months), so it reads the wide file as it is, not the event
tables: status 1 (``PAY_0``) is an input here although it overlaps the target month. Nothing of this is evidence of lead time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import BadRequestError

TARGET: Final = "default.payment.next.month"
DEMOGRAPHICS: Final = ("SEX", "EDUCATION", "MARRIAGE", "AGE")
"""In the file, never read here."""
STATUSES: Final = ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6")
BILLS: Final = tuple(f"BILL_AMT{k}" for k in range(1, 7))
PAYMENTS: Final = tuple(f"PAY_AMT{k}" for k in range(1, 7))
RAW: Final = ("LIMIT_BAL", *STATUSES, *BILLS, *PAYMENTS)
MONTHS: Final = 6
RECENCY_DECAY: Final = 0.6
"""Weight of a month's status relative to the month after it."""
ASSUMED_MINIMUM_SHARE: Final = 0.02
ASSUMED_MINIMUM: Final = 1000.0
"""New Taiwan dollars."""
ROUND: Final = 500

Floats = npt.NDArray[np.float64]


def read_wide(path: Path) -> pd.DataFrame:
    """The public file, one row per account, without demographics.

    Raises
    ------
    BadRequestError
        ``bad_request``: not there, or a column is missing.

    Examples
    --------
    >>> read_wide(Path("nowhere.csv"))
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: There is no file nowhere.csv. Name the public file UCI_Credit_Card.csv (30,000 rows).
    """
    if not path.is_file():
        raise BadRequestError(
            f"There is no file {path}. Name the public file UCI_Credit_Card.csv (30,000 rows).",
            field="csv",
            got=str(path),
        )
    wide = pd.read_csv(path)
    missing = [name for name in (*RAW, TARGET) if name not in wide.columns]
    if missing:
        raise BadRequestError(
            f"File {path} lacks {missing}, so it is not the public UCI file. Give UCI_Credit_Card.csv as published.",
            field="csv",
            got=missing,
        )
    return wide[[*RAW, TARGET]]


def raw_columns(wide: pd.DataFrame) -> pd.DataFrame:
    """The 19 columns as published."""
    return wide[list(RAW)].astype(np.float64)


def engineered_columns(wide: pd.DataFrame) -> pd.DataFrame:
    """What a person from the trade would compute from six bills, payments and statuses.

    Returns
    -------
    DataFrame, one row per account
        The raw columns, then usage of the limit, paid shares of the bill before, delinquency counts and recency, spending. Month 0 is
        September. A ratio over a bill that is not positive is absent.

    Examples
    --------
    An account that was two months late in September and never before:

    >>> one = pd.DataFrame({**dict.fromkeys(RAW, [0]), "LIMIT_BAL": [1000], "PAY_0": [2], "BILL_AMT2": [400], "PAY_AMT1": [100]})
    >>> made = engineered_columns(one).iloc[0]
    >>> made[["months_late", "months_since_late", "paid_share_0", "left_of_bill_to_limit_0"]].tolist()
    [1.0, 0.0, 0.25, 0.3]
    """
    limit = wide["LIMIT_BAL"].to_numpy(dtype=np.float64)
    status, bill, paid = (wide[list(names)].to_numpy(dtype=np.float64) for names in (STATUSES, BILLS, PAYMENTS))
    made = pd.DataFrame(_usage(limit, bill) | _paying(limit, bill, paid) | _lateness(status), index=wide.index)
    return pd.concat([raw_columns(wide), made], axis=1)


def _usage(limit: Floats, bill: Floats) -> dict[str, Floats]:
    used = bill / limit[:, None]
    return {
        **{f"utilisation_{month}": used[:, month] for month in range(MONTHS)},
        "utilisation_mean": used.mean(axis=1),
        "utilisation_highest": used.max(axis=1),
        "utilisation_spread": used.std(axis=1),
        "utilisation_change_3m": used[:, 0] - used[:, 3],
        "utilisation_change_5m": used[:, 0] - used[:, 5],
        "room_under_limit": limit - bill[:, 0],
        "months_with_balance": (bill > 0).sum(axis=1).astype(np.float64),
    }


def _paying(limit: Floats, bill: Floats, paid: Floats) -> dict[str, Floats]:
    """``PAY_AMT_k`` pays bill k + 1: a payment is set against the bill before, never against its own month's."""
    asked = bill[:, 1:]
    against = paid[:, :-1]
    share = np.where(asked > 0, against / np.where(asked > 0, asked, 1.0), np.nan)
    months = range(MONTHS - 1)
    return {
        **{f"paid_to_limit_{month}": paid[:, month] / limit for month in range(MONTHS)},
        **{f"paid_share_{month}": share[:, month] for month in months},
        **{f"left_of_bill_to_limit_{month}": (asked - against)[:, month] / limit for month in months},
        **{
            f"spent_to_limit_{month}": (bill[:, month] - asked[:, month] + against[:, month]) / limit
            for month in months
        },
        "paid_6m": paid.sum(axis=1),
        "paid_3m": paid[:, :3].sum(axis=1),
        "paid_most": paid.max(axis=1),
        "paid_least": paid.min(axis=1),
        "paid_6m_to_limit": paid.sum(axis=1) / limit,
        "paid_spread": paid.std(axis=1) / np.maximum(paid.mean(axis=1), 1.0),
        "paid_share_of_all_bills": against.sum(axis=1) / np.maximum(asked.clip(min=0.0).sum(axis=1), 1.0),
        "payment_over_asked_0": _least_asked(against[:, 0], asked[:, 0]),
        "payment_over_asked_1": _least_asked(against[:, 1], asked[:, 1]),
        "left_of_last_bill": bill[:, 0] - paid[:, 0],
        "paid_2m": paid[:, 0] + paid[:, 1],
        "unpaid_streak_months": _first(paid > 0),
        "round_payments": ((paid > 0) & (paid % ROUND == 0)).sum(axis=1).astype(np.float64),
        **{f"bill_change_{month}": bill[:, month] - asked[:, month] for month in months},
        **{f"skipped_{month}": ((paid[:, month] == 0) & (asked[:, month] > 0)).astype(np.float64) for month in months},
        "months_unpaid": (paid == 0).sum(axis=1).astype(np.float64),
        "months_unpaid_of_last_3": (paid[:, :3] == 0).sum(axis=1).astype(np.float64),
    }


def _least_asked(against: Floats, asked: Floats) -> Floats:
    """Paid over what a bank would ask at least; the file has no minimum due, so the trade's usual 2 % stands in."""
    least = np.maximum(ASSUMED_MINIMUM_SHARE * asked, ASSUMED_MINIMUM)
    return np.where(asked > 0, against / least, np.nan)


def _lateness(status: Floats) -> dict[str, Floats]:
    late = status >= 1
    depth = np.maximum(status, 0.0)
    return {
        "late_weighted_by_recency": depth @ RECENCY_DECAY ** np.arange(MONTHS),
        "months_late": late.sum(axis=1).astype(np.float64),
        "months_two_or_more_late": (status >= 2).sum(axis=1).astype(np.float64),
        "worst_status": status.max(axis=1),
        "worst_status_of_last_3": status[:, :3].max(axis=1),
        "status_sum": depth.sum(axis=1),
        "months_since_late": _first(late),
        "late_streak_months": _first(~late),
        "months_since_two_or_more_late": _first(status >= 2),
        **{f"status_{m}_is_{v}": (status[:, m] == v).astype(np.float64) for m in (0, 1) for v in (-2, -1, 0, 1, 2)},
        "status_change": status[:, 0] - status[:, 1],
        "status_trend": status[:, :3].mean(axis=1) - status[:, 3:].mean(axis=1),
        **{f"months_of_status_{value}": (status == value).sum(axis=1).astype(np.float64) for value in (-2, -1, 0)},
    }


def _first(hit: npt.NDArray[np.bool_]) -> Floats:
    """Months back to the first hit; 6 where there is none."""
    return np.where(hit.any(axis=1), hit.argmax(axis=1), MONTHS).astype(np.float64)
