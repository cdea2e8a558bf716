"""Scoring: from features to willingness, ability, amounts, segment and evidence state, with exact contributions.

One function for a whole portfolio, one account in Python and one account over HTTP: the same numbers to the last bit.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.resources import data_folder
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.contributions import assert_additive, explained
from scoring.vocabulary import BUCKET_FIRST_DPD, CONTACT_CHANNELS, Bucket, Channel, Evidence, Segment

SEGMENT_THRESHOLD: Final = 0.6
"""A segment is reported only above this probability."""
MINIMUM_ACCOUNT_AGE_DAYS: Final = 90
MINIMUM_STATEMENTS: Final = 2
DAYS_OF_A_YEAR: Final = 365

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of the accounts of a feature frame, in its order.

    Attributes
    ----------
    table : DataFrame, one row per account
        The columns of ``scores.parquet``: ``account_id``, ``as_of``, ``dpd``, ``bucket``, ``past_due_cents``,
        ``cure_amount_cents``, ``w_none``, ``w_logged``, ``w_<channel>``, ``ability``, ``p_full`` (all in [0, 1]),
        ``payable_low_cents``, ``payable_mid_cents``, ``payable_high_cents`` (given a payment), ``segment``, ``evidence``.
    margins : dict of str to array (n_accounts,)
        Log-odds of the explained models.
    contributions : dict of str to array (n_accounts, n_features + 1)
        Exact Shapley values on the margin scale, last column the expected margin; empty when not asked for.
    """

    frame: FeatureFrame
    table: pd.DataFrame
    margins: dict[str, Floats]
    contributions: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class ChannelEffect:
    """Prior effect and cost of one attempt through a channel: ``shift`` on the log-odds scale, cost in minor units, minutes."""

    shift: float
    cost_cents: int
    minutes: float
    source: str


@lru_cache(maxsize=1)
def channel_effects() -> dict[Channel, ChannelEffect]:
    """The dated, sourced prior of what one contact changes.

    Examples
    --------
    >>> sorted(str(c) for c in channel_effects())[:2]
    ['agent_call', 'ai_voice']
    """
    raw = tomllib.loads((data_folder() / "reference" / "channel_effects.toml").read_text(encoding="utf-8"))
    return {channel: ChannelEffect(**raw["channels"][str(channel)]) for channel in CONTACT_CHANNELS}


def probability(margin: Floats) -> Floats:
    """Log-odds to probability, element by element with the same bits whatever the length of the array.

    numpy's vectorised exp may differ in the last bit between its vector lanes and its remainder, so the array is padded
    to whole lanes and every element takes the same path.

    Examples
    --------
    >>> float(probability(np.array([0.0]))[0])
    0.5
    """
    padded = np.zeros(-(-max(len(margin), 1) // 16) * 16)
    padded[: len(margin)] = margin
    return np.asarray(1.0 / (1.0 + np.exp(-padded)))[: len(margin)]


def score(bundle: Bundle, frame: FeatureFrame, *, with_contributions: bool = True, threads: int = 1) -> Scores:
    """Score every account of a frame.

    Parameters
    ----------
    bundle : Bundle
    frame : FeatureFrame
    with_contributions : bool
        Also the exact contributions of willingness and ability, asserted to add up to the margins to 1e-9.
    threads : int
        For the contributions only; results do not depend on it.

    Returns
    -------
    Scores

    Raises
    ------
    ContributionsError
        ``contributions_do_not_add_up``: a defect; nothing is served.
    """
    margins = {name: bundle.margin(name, frame.values) for name in EXPLAINED}
    parts: dict[str, Floats] = {}
    if with_contributions:
        for name in EXPLAINED:
            parts[name] = explained(
                bundle.boosters[name], bundle.leaf_tables[name], frame.values, threads=threads
            ).contributions
            assert_additive(parts[name], margins[name])
    return Scores(frame, _table(bundle, frame, margins), margins, parts)


def _table(bundle: Bundle, frame: FeatureFrame, margins: dict[str, Floats]) -> pd.DataFrame:
    at = frame.positions
    logged = probability(margins["willingness"])
    ability = probability(margins["ability"])
    full = probability(bundle.margin("full_payment", frame.values))
    low, mid, high = _payable_shares(bundle, frame)
    owed = at["cure_amount_cents"].to_numpy(dtype=np.float64)
    none = logged  # without randomised contacts in training, the logged policy is the best estimate of no contact
    columns: dict[str, Any] = {
        "account_id": at["account_id"].to_numpy(),
        "as_of": np.full(len(frame), frame.as_of, dtype="datetime64[D]"),
        "dpd": at["dpd"].to_numpy(dtype=np.int64),
        "bucket": buckets(at["dpd"].to_numpy(dtype=np.int64)),
        "past_due_cents": at["past_due_cents"].to_numpy(dtype=np.int64),
        "cure_amount_cents": at["cure_amount_cents"].to_numpy(dtype=np.int64),
        "w_none": none,
        "w_logged": logged,
    }
    for channel, effect in channel_effects().items():
        columns[f"w_{channel}"] = np.clip(none + none * (1.0 - none) * effect.shift, 0.0, 1.0)
    columns |= {
        "ability": ability,
        "p_full": full,
        "payable_low_cents": np.round(low * owed).astype(np.int64),
        "payable_mid_cents": np.round(mid * owed).astype(np.int64),
        "payable_high_cents": np.round(high * owed).astype(np.int64),
        "segment": segments(none, full, evidence(frame)),
        "evidence": evidence(frame),
    }
    return pd.DataFrame(columns)


def _payable_shares(bundle: Bundle, frame: FeatureFrame) -> tuple[Floats, Floats, Floats]:
    """Low, mid and high share of the cure amount, given a payment: quantile models widened by the conformal margin."""
    widened = float(bundle.manifest["payable"]["conformal_margin"])
    low = np.clip(bundle.margin("share_low", frame.values) - widened, 0.0, 1.0)
    high = np.clip(bundle.margin("share_high", frame.values) + widened, 0.0, 1.0)
    mid = np.clip(bundle.margin("share_mid", frame.values), low, np.maximum(low, high))
    return low, mid, np.maximum(low, high)


def buckets(dpd: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Bucket names of an array of days past due.

    >>> buckets(np.array([0, 1, 30, 400])).tolist()
    ['CURRENT', 'M1', 'M2', 'CHARGE_OFF_DUE']
    """
    first = np.array(list(BUCKET_FIRST_DPD.values()))
    names = np.array([str(bucket) for bucket in Bucket], dtype=object)
    return names[np.searchsorted(first, dpd, side="right") - 1]


def evidence(frame: FeatureFrame) -> npt.NDArray[np.object_]:
    """Whether each account's history is enough to speak about the customer.

    Insufficient: opened less than 90 days ago, fewer than two statements in a year, or neither a payment in a year nor any
    visible inflow known. Then the treatment asks for the reason instead of assuming one.
    """
    at = {name: frame.values[:, FEATURE_NAMES.index(name)] for name in EVIDENCE_FEATURES}
    young = at["account_age_days"] < MINIMUM_ACCOUNT_AGE_DAYS
    short = ~(at["n_statements_365d"] >= MINIMUM_STATEMENTS)
    silent = ~(at["days_since_last_payment"] < DAYS_OF_A_YEAR) & ~(at["inflow_months_seen_180d"] > 0)
    return np.where(young | short | silent, str(Evidence.INSUFFICIENT), str(Evidence.SUFFICIENT)).astype(object)


_CELLS: Final = (Segment.WILLING_ABLE, Segment.WILLING_UNABLE, Segment.UNWILLING_ABLE, Segment.UNWILLING_UNABLE)
EVIDENCE_FEATURES: Final = (
    "account_age_days",
    "n_statements_365d",
    "days_since_last_payment",
    "inflow_months_seen_180d",
)


def segments(willing: Floats, full: Floats, evidence_state: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """The cell of willing x able whose probability exceeds 0.6; undetermined otherwise, or without enough evidence.

    Able means: able to cure in full given a payment. For the unwilling half this extrapolates from payers.

    Examples
    --------
    >>> segments(np.array([0.9, 0.9, 0.5]), np.array([0.9, 0.1, 0.5]), np.array(["sufficient"] * 3, dtype=object)).tolist()
    ['willing_able', 'willing_unable', 'undetermined']
    """
    cells = np.stack([willing * full, willing * (1 - full), (1 - willing) * full, (1 - willing) * (1 - full)])
    names = np.array([str(segment) for segment in _CELLS], dtype=object)
    best = cells.argmax(axis=0)
    sure = (cells.max(axis=0) > SEGMENT_THRESHOLD) & (evidence_state == str(Evidence.SUFFICIENT))
    return np.where(sure, names[best], str(Segment.UNDETERMINED)).astype(object)


def group_contributions(parts: Floats) -> tuple[list[str], Floats]:
    """Contributions summed by reason group: names in first-seen order, and an array (n_accounts, n_groups)."""
    groups = list(dict.fromkeys(str(feature.group) for feature in FEATURES))
    summed = np.zeros((len(parts), len(groups)))
    for place, feature in enumerate(FEATURES):
        summed[:, groups.index(str(feature.group))] += parts[:, place]
    return groups, summed
