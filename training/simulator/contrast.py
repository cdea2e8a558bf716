"""What a bank would conclude from its log: paid after a contact or not, naively and by the randomised share.

The naive contrast compares accounts that the policy contacted with accounts that it left alone, and so mostly measures
whom the policy chose. The randomised share compares like with like.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.vocabulary import QUALIFYING_KINDS, Channel
from training.simulator.days import EXTRACT_ON
from training.simulator.truth import HORIZON_DAYS, POSTING_LAG_DAYS, TAU_CENTS

_HOURS_OF_AN_ACCOUNT: Final = 10**7
"""More hours than any history has: account and hour share one sortable number."""


@dataclass(frozen=True)
class Contrast:
    """Difference in the share that pays a token within 30 days, contacted less not contacted, with a 95 % interval.

    Examples
    --------
    >>> Contrast(0.02, 0.01, 500, 700).covers(0.0)
    False
    """

    difference: float
    half_width: float
    n_contacted: int
    n_alone: int

    def covers(self, value: float) -> bool:
        """Whether a value lies within the interval."""
        return abs(value - self.difference) <= self.half_width


def matured_decisions(folder: Path) -> pd.DataFrame:
    """Every logged decision whose window has matured, with ``pays``: a token payment within 30 days after it."""
    decisions = pd.read_parquet(folder / "assignments.parquet")
    last = pd.Timestamp(EXTRACT_ON) - pd.Timedelta(days=HORIZON_DAYS + POSTING_LAG_DAYS)
    decisions = decisions[decisions["decided_at"] < last].sort_values("decided_at", kind="stable")
    statements = pd.read_parquet(
        folder / "statements.parquet", columns=["account_id", "statement_on", "minimum_due_cents"]
    )
    statements["cut_at"] = pd.to_datetime(statements.pop("statement_on")).astype("datetime64[us]")
    decisions = pd.merge_asof(
        decisions, statements.sort_values("cut_at"), left_on="decided_at", right_on="cut_at", by="account_id"
    )
    token = np.maximum(TAU_CENTS, decisions["minimum_due_cents"].fillna(0) // 10)
    return decisions.assign(pays=_paid_within(folder, decisions) >= token)


def naive_contrast(decisions: pd.DataFrame, channel: Channel) -> Contrast:
    """All accounts that got the channel against all that got nothing."""
    weight = np.ones(len(decisions))
    return _contrast(decisions, channel, weight)


def randomised_contrast(decisions: pd.DataFrame, channel: Channel) -> Contrast:
    """The same among decisions drawn at random where the channel was lawful, weighted by one over the draw's chance."""
    lawful = decisions["lawful_channels"].str.split(",")
    is_drawn = decisions["is_exploration"] & lawful.map(lambda words: str(channel) in words)
    drawn = decisions[is_drawn]
    return _contrast(drawn, channel, lawful[is_drawn].map(len).to_numpy(dtype=np.float64))


def _contrast(decisions: pd.DataFrame, channel: Channel, weight: npt.NDArray[np.float64]) -> Contrast:
    pays = decisions["pays"].to_numpy(dtype=np.float64)
    means, variances, counts = [], [], []
    for word in (str(channel), str(Channel.NONE)):
        arm = (decisions["channel"] == word).to_numpy()
        share = weight[arm] / weight[arm].sum()
        mean = float(share @ pays[arm])
        means.append(mean)
        variances.append(float(((share * (pays[arm] - mean)) ** 2).sum()))
        counts.append(int(arm.sum()))
    return Contrast(means[0] - means[1], 1.96 * float(np.sqrt(sum(variances))), counts[0], counts[1])


def _paid_within(folder: Path, decisions: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Qualifying payments in the 30 days after each decision, by running totals per account."""
    columns = ["account_id", "paid_at", "amount_cents", "kind", "reversed_at"]
    payments = pd.read_parquet(folder / "payments.parquet", columns=columns)
    counts = payments["kind"].isin([str(kind) for kind in QUALIFYING_KINDS]) & payments["reversed_at"].isna()
    payments = payments[counts]
    codes = pd.Categorical(pd.concat([payments["account_id"], decisions["account_id"]])).codes.astype(np.int64)
    owner, asked = codes[: len(payments)], codes[len(payments) :]
    order = np.lexsort([payments["paid_at"].to_numpy(), owner])
    key = owner[order] * _HOURS_OF_AN_ACCOUNT + _hours(payments["paid_at"])[order]
    total = np.concatenate([[0], np.cumsum(payments["amount_cents"].to_numpy()[order])])
    start = asked * _HOURS_OF_AN_ACCOUNT + _hours(decisions["decided_at"])
    first = np.searchsorted(key, start, side="right")
    last = np.searchsorted(key, start + 24 * HORIZON_DAYS, side="right")
    return np.asarray(total[last] - total[first], dtype=np.float64)


def _hours(instants: pd.Series) -> npt.NDArray[np.int64]:
    since = instants.to_numpy(dtype="datetime64[h]") - np.datetime64("2000-01-01", "h")
    return np.asarray(since.astype(np.int64))
