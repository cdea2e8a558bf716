"""Matured decisions of the log, each with what was known before it: the rows from which channel effects are learned.

Features are built for whole as-of days, and a build for every day on which something was decided would be too dear. So features
come from as-of days some ten days apart, and a decision gets those of the last one before its own day: always known before it, at
most that many days old (``age_days`` says how old). A decision on an account that was not yet overdue on that day is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import build
from scoring.portfolio.reading import Portfolio
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import QUALIFYING_KINDS, Channel
from training.narrowing import narrowed

Floats = npt.NDArray[np.float64]
ACTIONS: Final = tuple(Channel)
"""All actions, ``none`` first; a row's ``action`` is a place in it."""

EVERY_DAYS: Final = 10
MAX_DAYS: Final = 60
MAX_ROWS: Final = 400_000


@dataclass(frozen=True)
class LoggedDecisions:
    """Matured decisions of overdue accounts.

    Attributes
    ----------
    rows : DataFrame, one row per decision
        ``account_id``, ``customer_id``, ``decided_at``; ``action``, a place in `ACTIONS`; ``propensity`` of the action over all ways
        to it; ``is_randomised`` (drawn at random among the lawful channels), ``is_holdout``; ``lawful``, a bit per action;
        ``has_later_contact``, whether another contact was decided within the horizon; ``pays``, 1.0 where a token payment came
        within the horizon; ``age_days`` of the features; ``dpd`` and ``cure_amount_cents`` on their day.
    values : array (n_rows, n_features), float32
    days : tuple of date
        As-of days of the features.
    """

    rows: pd.DataFrame
    values: npt.NDArray[np.float32]
    days: tuple[date, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: npt.NDArray[Any]) -> LoggedDecisions:
        """The same for some rows: a mask, or places."""
        return LoggedDecisions(
            self.rows[chosen] if chosen.dtype == bool else self.rows.iloc[chosen], self.values[chosen], self.days
        )

    def lawful(self) -> npt.NDArray[np.bool_]:
        """Which actions were lawful, shape (rows, actions)."""
        bits = self.rows["lawful"].to_numpy(dtype=np.int64)
        return np.asarray((bits[:, None] >> np.arange(len(ACTIONS))) & 1, dtype=bool)


def logged_decisions(
    portfolio: Portfolio,
    definition: TargetDefinition,
    *,
    until: date | None = None,
    every_days: int = EVERY_DAYS,
    max_days: int = MAX_DAYS,
    max_rows: int = MAX_ROWS,
    progress: Callable[[str], None] = lambda message: None,
) -> LoggedDecisions | None:
    """The matured decisions of a portfolio.

    Parameters
    ----------
    portfolio : Portfolio
    definition : TargetDefinition
        Horizon, posting lag and token payment.
    until : date, optional
        Windows that close after this day are left out, as if the extract were of the day when they mature.
    every_days, max_days : int
        Days between two builds of features, and how many builds at most, the latest ones.
    max_rows : int
        At most about so many rows, by a stable hash of the customer.
    progress : callable
        Told about each as-of day.

    Returns
    -------
    LoggedDecisions or None
        None where the portfolio has no log of decisions, or none has matured.
    """
    if "assignments" not in portfolio.observed:
        return None
    matured = _matured(portfolio, definition, until)
    if not len(matured):
        return None
    last = matured["decided_on"].max()
    first = max(matured["decided_on"].min(), last - timedelta(days=every_days * max_days))
    days = [last - timedelta(days=1 + every_days * back) for back in range((last - first).days // every_days + 1)][::-1]
    matured = _sampled(matured[matured["decided_on"] > days[0]], max_rows)
    parts, values = [], []
    with narrowed(portfolio, _deciding(portfolio, matured)):
        for day in days:
            progress(f"features of decisions after {day}")
            age = matured["decided_on"].map(date.toordinal) - day.toordinal()
            part, seen = _with_features(portfolio, matured[(age >= 1) & (age <= every_days)], day)
            parts.append(part)
            values.append(seen)
    rows = pd.concat(parts, ignore_index=True).drop(columns="decided_on")
    return LoggedDecisions(rows, np.concatenate(values), tuple(days)) if len(rows) else None


def _deciding(portfolio: Portfolio, matured: pd.DataFrame) -> pd.DataFrame:
    """The accounts that the decisions are about: features of no other are computed."""
    accounts = portfolio.connection.execute("SELECT account_id, customer_id FROM accounts").df()
    return accounts[accounts["account_id"].isin(matured["account_id"].unique())]


def _with_features(
    portfolio: Portfolio, decided: pd.DataFrame, day: date
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    frame = build(portfolio, day)
    at = frame.positions
    held = at["is_charged_off"] | at["is_deceased"] | at["is_disputed"] | at["is_on_kept_plan"]
    place = pd.Series(np.arange(len(at)), index=at["account_id"])[(~held).to_numpy()]
    found = place.reindex(decided["account_id"]).to_numpy(dtype=np.float64)
    is_seen = np.isfinite(found)
    where = found[is_seen].astype(np.int64)
    part = decided[is_seen].assign(
        customer_id=at["customer_id"].to_numpy()[where],
        dpd=at["dpd"].to_numpy(dtype=np.int64)[where],
        cure_amount_cents=at["cure_amount_cents"].to_numpy(dtype=np.int64)[where],
        age_days=decided["decided_on"][is_seen].map(date.toordinal).to_numpy(dtype=np.int64) - day.toordinal(),
    )
    return part, frame.values[where]


def _sampled(decided: pd.DataFrame, max_rows: int) -> pd.DataFrame:
    """At most about ``max_rows``, whole accounts, the same ones every time."""
    if len(decided) <= max_rows:
        return decided
    key = ("decisions:" + decided["account_id"].astype(str)).to_numpy(dtype=object)
    place = pd.util.hash_array(key, categorize=False).astype(np.float64) / 2.0**64
    return decided[place < max_rows / len(decided)]


def _matured(portfolio: Portfolio, definition: TargetDefinition, until: date | None) -> pd.DataFrame:
    """Every decision whose window has matured, with its outcome; nothing of it is a feature."""
    last = until or portfolio.extract_on - timedelta(days=definition.posting_lag_days + 1)
    found = portfolio.connection.execute(
        _MATURED,
        {
            "horizon": definition.horizon_days,
            "lag": definition.posting_lag_days,
            "last": last,
            "kinds": [str(kind) for kind in QUALIFYING_KINDS],
            "floor": definition.tau_floor_cents,
            "of_minimum": definition.tau_minimum_share,
            "of_balance": definition.tau_balance_share,
        },
    ).df()
    code = {str(action): place for place, action in enumerate(ACTIONS)}
    return pd.DataFrame(
        {
            "account_id": found["account_id"],
            "decided_at": found["decided_at"],
            "decided_on": found["decided_at"].dt.date,
            "action": found["channel"].map(code).astype(np.int64),
            "propensity": found["propensity"].astype(np.float64),
            "is_randomised": found["is_exploration"].astype(bool),
            "is_holdout": found["is_holdout"].astype(bool),
            "lawful": _lawful_bits(found["lawful_channels"], found["channel"], code),
            "has_later_contact": found["has_later_contact"].astype(bool),
            "pays": (found["paid_cents"] >= found["tau_cents"]).astype(np.float64),
        }
    )


def _lawful_bits(lawful: pd.Series, channel: pd.Series, code: dict[str, int]) -> npt.NDArray[np.int64]:
    """One bit per lawful action; the chosen one and ``none`` always are. Unknown sets count as all actions."""
    words = lawful.fillna(",".join(code)).astype("category")
    bits = np.array(
        [sum(1 << code[word] for word in set(text.split(","))) for text in words.cat.categories], dtype=np.int64
    )
    return np.asarray(bits[words.cat.codes.to_numpy()] | 1 | (1 << channel.map(code).to_numpy(dtype=np.int64)))


_MATURED: Final = """
WITH decided AS (
    SELECT row_number() OVER (ORDER BY decided_at, assignment_id) AS n, account_id, decided_at, channel, propensity,
        lawful_channels, coalesce(is_exploration, false) AS is_exploration, coalesce(is_holdout, false) AS is_holdout
    FROM assignments
    WHERE CAST(decided_at AS DATE) + CAST($horizon AS INTEGER) <= CAST($last AS DATE)
),
stated AS (
    SELECT d.n, s.minimum_due_cents, s.balance_cents
    FROM decided d ASOF LEFT JOIN statements s ON d.account_id = s.account_id AND d.decided_at >= CAST(s.statement_on AS TIMESTAMP)
),
paid AS (
    SELECT d.n, sum(p.amount_cents) AS paid_cents
    FROM decided d JOIN payments p ON d.account_id = p.account_id
        AND p.paid_at > d.decided_at AND p.paid_at <= d.decided_at + to_days(CAST($horizon AS INTEGER))
    WHERE p.kind IN (SELECT unnest($kinds))
        AND coalesce(p.known_at, p.paid_at) <= d.decided_at + to_days(CAST($horizon + $lag AS INTEGER))
        AND (p.reversed_at IS NULL
            OR coalesce(p.reversal_known_at, p.reversed_at) > d.decided_at + to_days(CAST($horizon + $lag AS INTEGER)))
    GROUP BY d.n
),
later AS (
    SELECT DISTINCT d.n
    FROM decided d JOIN assignments a ON d.account_id = a.account_id AND a.channel <> 'none'
        AND a.decided_at > d.decided_at AND a.decided_at < d.decided_at + to_days(CAST($horizon AS INTEGER))
)
SELECT d.*, CAST(coalesce(paid_cents, 0) AS BIGINT) AS paid_cents, l.n IS NOT NULL AS has_later_contact,
    CAST(greatest(ceil(coalesce(minimum_due_cents * $of_minimum, balance_cents * $of_balance, 0)), $floor) AS BIGINT) AS tau_cents
FROM decided d LEFT JOIN stated s ON d.n = s.n LEFT JOIN paid p ON d.n = p.n LEFT JOIN later l ON d.n = l.n
ORDER BY d.n
"""
