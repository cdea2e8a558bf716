"""Scoring: from features to willingness, ability, amounts, segment and evidence state, with exact contributions.

One function for a whole portfolio, one account in Python and one account over HTTP: the same numbers to the last bit. The numbers are
columns of numpy arrays (`score_columns`), which is all that a request needs; `score` puts them into a frame for the nightly run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURES
from scoring.resources import reference_text
from scoring.scores import effects
from scoring.scores.bundle import EXPLAINED, MODEL_NAMES, Bundle
from scoring.scores.contributions import assert_additive
from scoring.scores.evidence import (
    EVIDENCE_FEATURES,
    SEGMENT_THRESHOLD,
    evidence_states,
    missing_evidence,
    required_certainty,
    told,
)
from scoring.scores.intervals import UNKNOWN
from scoring.scores.log_odds import probability
from scoring.scores.outcomes import HOLDS, outcome_chances, outcome_models
from scoring.scores.payable import payable_shares
from scoring.scores.segments import segments
from scoring.vocabulary import BUCKET_FIRST_DPD, CONTACT_CHANNELS, Bucket, Channel

__all__ = [
    "EVIDENCE_FEATURES",
    "SEGMENT_THRESHOLD",
    "ChannelEffect",
    "ScoreColumns",
    "Scores",
    "buckets",
    "channel_effects",
    "evidence",
    "group_contributions",
    "probability",
    "score",
    "score_columns",
    "segments",
]

Floats = npt.NDArray[np.float64]
Column = npt.NDArray[Any]
MODELS: Final = "models"
SCORECARD: Final = "scorecard"
POSITIONS_READ: Final = ("account_id", "dpd", "past_due_cents", "cure_amount_cents")


@dataclass(frozen=True)
class ScoreColumns:
    """Scores of some accounts as arrays, in their order.

    Attributes
    ----------
    columns : dict of str to array (n_accounts,)
        As the columns of `Scores.table`.
    margins : dict of str to array (n_accounts,)
        Log-odds of the explained models, before calibration.
    contributions : dict of str to array (n_accounts, n_features + 1)
        Exact Shapley values on the margin scale, last column the expected margin; empty when not asked for.
    """

    columns: dict[str, Column]
    margins: dict[str, Floats]
    contributions: dict[str, Floats]


@dataclass(frozen=True)
class Scores:
    """Scores of the accounts of a feature frame, in its order.

    Attributes
    ----------
    table : DataFrame, one row per account
        The columns of ``scores.parquet``: ``account_id``, ``as_of``, ``dpd``, ``bucket``, ``past_due_cents``,
        ``cure_amount_cents``, ``w_none``, ``w_logged``, ``w_<channel>``, ``ability``, ``p_full`` (all in [0, 1]),
        ``payable_low_cents``, ``payable_mid_cents``, ``payable_high_cents`` (given a payment), ``segment``, ``evidence``; and
        ``w_<channel>_error`` (standard error of its gain over ``w_none``), ``w_none_low``, ``w_none_high``, ``ability_low``,
        ``ability_high`` (see `scoring.scores.intervals`), ``w_adjusted`` (log-odds w less what is expected at that ability),
        ``evidence_missing`` (names separated by commas), ``expected_cents`` (w x A x D under the logged policy, fractions kept);
        and the bundle's further probabilities (`scoring.scores.outcomes`), NaN where a model does not speak about the account.
    margins : dict of str to array (n_accounts,)
        Log-odds of the explained models, before calibration.
    contributions : dict of str to array (n_accounts, n_features + 1)
        Exact Shapley values on the margin scale, last column the expected margin; empty when not asked for.
    scored_by : str
        `MODELS`, or `SCORECARD` where it stood in for them (`scoring.scores.card_scores`).
    """

    frame: FeatureFrame
    table: pd.DataFrame
    margins: dict[str, Floats]
    contributions: dict[str, Floats]
    scored_by: str = MODELS


@dataclass(frozen=True, slots=True)
class ChannelEffect:
    """Prior effect and cost of one attempt through a channel: ``shift`` on the log-odds scale, cost in minor units, minutes."""

    shift: float
    cost_cents: int
    minutes: float
    source: str


def channel_effects() -> dict[Channel, ChannelEffect]:
    """The dated, sourced prior of what one contact changes.

    Examples
    --------
    >>> sorted(str(c) for c in channel_effects())[:2]
    ['agent_call', 'ai_voice']
    """
    return effects_from(reference_text("channel_effects"))


@lru_cache(maxsize=4)
def effects_from(text: str) -> dict[Channel, ChannelEffect]:
    """`channel_effects` from the text of its table."""
    raw = tomllib.loads(text)
    return {channel: ChannelEffect(**raw["channels"][str(channel)]) for channel in CONTACT_CHANNELS}


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
    read = (*POSITIONS_READ, *(HOLDS if outcome_models(bundle) else ()))
    scored = score_columns(
        bundle,
        frame.values,
        {name: np.asarray(frame.positions[name]) for name in read},
        frame.as_of,
        with_contributions=with_contributions,
        with_outcomes=True,
        threads=threads,
    )
    return Scores(frame, pd.DataFrame(scored.columns), scored.margins, scored.contributions)


def score_columns(
    bundle: Bundle,
    values: npt.NDArray[np.float32],
    positions: Mapping[str, Column],
    as_of: date,
    *,
    with_contributions: bool = True,
    with_outcomes: bool = False,
    threads: int = 1,
) -> ScoreColumns:
    """Score accounts given as arrays: what `score` does, without a frame, for requests of a few accounts.

    Parameters
    ----------
    bundle : Bundle
    values : array (n_accounts, n_features), float32
    positions : mapping of str to array (n_accounts,)
        `POSITIONS_READ`.
    as_of : date
    with_outcomes : bool
        Also the bundle's further probabilities; where it has any, they read `HOLDS` too.
    with_contributions, threads
        As `score`.

    Returns
    -------
    ScoreColumns
        Bit-equal to what `score` gives for the same accounts in any portfolio.

    Raises
    ------
    ContributionsError
        As `score`.
    """
    further = outcome_models(bundle) if with_outcomes else ()
    raw = bundle.margins((*MODEL_NAMES, *further), values, threads=threads)
    margins = {name: raw[name] for name in EXPLAINED}
    parts: dict[str, Floats] = {}
    if with_contributions:
        for name in EXPLAINED:
            parts[name] = bundle.explained(name, values, threads=threads).contributions
            assert_additive(parts[name], margins[name])
    dpd = positions["dpd"].astype(np.int64, copy=False)
    columns: dict[str, Column] = {
        "account_id": positions["account_id"],
        "as_of": np.full(len(values), as_of, dtype="datetime64[D]"),
        "dpd": dpd,
        "bucket": buckets(dpd),
        "past_due_cents": positions["past_due_cents"].astype(np.int64, copy=False),
        "cure_amount_cents": positions["cure_amount_cents"].astype(np.int64, copy=False),
    }
    willingness = bundle.calibrated_margin("willingness", margins["willingness"])
    columns |= _willingness(bundle, values, willingness)
    columns |= _ability(bundle, raw, positions["cure_amount_cents"].astype(np.float64))
    columns |= _evidence_and_segment(bundle, values, willingness, columns)
    columns["expected_cents"] = _expected_cents(bundle, columns)
    columns |= outcome_chances({name: raw[name] for name in further}, positions)
    return ScoreColumns(columns, margins, parts)


def _willingness(bundle: Bundle, values: npt.NDArray[np.float32], margin: Floats) -> dict[str, Column]:
    """Willingness under the logged policy, without contact and under each channel, and the interval of the second."""
    under_actions = effects.apply(bundle.effects or known_effects(), values, margin).columns()
    none = under_actions.pop("w_none")
    low, high = bundle.intervals.get("willingness", UNKNOWN).around(log_odds(none))
    return {
        "w_none": none,
        "w_none_low": np.minimum(low, none),
        "w_none_high": np.maximum(high, none),
        "w_logged": probability(margin),
        **under_actions,
    }


def known_effects() -> effects.LearnedEffects:
    """What contacts change as far as it is known without a log: the logged score stands for no contact, then the dated prior.

    >>> known_effects().none.coefficients
    (0.0,)
    """
    return _prior_of(reference_text("channel_effects"))


@lru_cache(maxsize=4)
def _prior_of(text: str) -> effects.LearnedEffects:
    return effects.prior_effects({channel: effect.shift for channel, effect in effects_from(text).items()})


def log_odds(share: Floats) -> Floats:
    """Log-odds of a probability, cut so that certainty stays finite; padded, so that an element's bits are its own.

    >>> log_odds(np.array([0.5, 1.0])).round(2).tolist()
    [0.0, 34.66]
    """
    padded = np.full(-(-max(len(share), 1) // 16) * 16, 0.5)
    padded[: len(share)] = np.clip(share, 1e-15, 1.0 - 8.9e-16)
    return np.asarray((np.log(padded) - np.log1p(-padded))[: len(share)])


def _ability(bundle: Bundle, raw: Mapping[str, Floats], owed: Floats) -> dict[str, Column]:
    """Expected share of the cure amount, chance of all of it, and the payable amount, each given a payment."""
    calibrated = bundle.calibrated_margin("ability", raw["ability"])
    ability = probability(calibrated)
    below, above = bundle.intervals.get("ability", UNKNOWN).around(calibrated)
    full = probability(bundle.calibrated_margin("full_payment", raw["full_payment"]))
    low, mid, high = payable_shares(bundle.payable_bands, full, raw["share_low"], raw["share_mid"], raw["share_high"])
    return {
        "ability": ability,
        "ability_low": np.minimum(below, ability),
        "ability_high": np.maximum(above, ability),
        "p_full": full,
        "payable_low_cents": np.round(low * owed).astype(np.int64),
        "payable_mid_cents": np.round(mid * owed).astype(np.int64),
        "payable_high_cents": np.round(high * owed).astype(np.int64),
    }


def _evidence_and_segment(
    bundle: Bundle, values: npt.NDArray[np.float32], margin: Floats, columns: Mapping[str, Column]
) -> dict[str, Column]:
    missing = missing_evidence(values)
    state = evidence_states(missing)
    adjustment = bundle.adjusted_willingness
    adjusted = adjustment.adjusted(margin, columns["ability"])
    return {
        "w_adjusted": adjusted,
        "segment": segments(
            adjustment.willing(adjusted),
            columns["p_full"],
            state,
            required_certainty(values),
            alarm=bundle.has_correlation_alarm,
        ),
        "evidence": state,
        "evidence_missing": told(missing),
    }


def _expected_cents(bundle: Bundle, columns: Mapping[str, Column]) -> Floats:
    """What is expected to be paid under the logged policy: w x A x D, after the product's own smooth map where it has one."""
    share: Floats = columns["w_logged"] * columns["ability"]
    fitted = bundle.calibration.get("product")
    return np.asarray((share if fitted is None else fitted.probability(log_odds(share))) * columns["cure_amount_cents"])


def buckets(dpd: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Bucket names of an array of days past due.

    >>> buckets(np.array([0, 1, 30, 400])).tolist()
    ['CURRENT', 'M1', 'M2', 'CHARGE_OFF_DUE']
    """
    return np.asarray(_BUCKET_NAMES[np.searchsorted(_BUCKET_FIRST, dpd, side="right") - 1])


_BUCKET_FIRST: Final = np.array(list(BUCKET_FIRST_DPD.values()))
_BUCKET_NAMES: Final = np.array([str(bucket) for bucket in Bucket], dtype=object)


def evidence(frame: FeatureFrame) -> npt.NDArray[np.object_]:
    """Whether each account's history is enough to speak about the customer; `scoring.scores.evidence` says what is asked."""
    return evidence_states(missing_evidence(frame.values))


def group_contributions(parts: Floats) -> tuple[list[str], Floats]:
    """Contributions summed by reason group: names in first-seen order, and an array (n_accounts, n_groups)."""
    groups = list(dict.fromkeys(str(feature.group) for feature in FEATURES))
    summed = np.zeros((len(parts), len(groups)))
    for place, feature in enumerate(FEATURES):
        summed[:, groups.index(str(feature.group))] += parts[:, place]
    return groups, summed
