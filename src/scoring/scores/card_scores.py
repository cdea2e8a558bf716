"""Scores by the scorecard alone, in the columns of the models' scores: what is left when the models cannot score.

Points stand for log-odds, so a card has margins and exact contributions like a model: each characteristic's points less what the
training population had on average. A card knows no channel effects and no reliability: effects are the dated prior, intervals are the
widest, and no segment is told.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import BundleError
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.scores import effects
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.evidence import evidence_states, missing_evidence, told
from scoring.scores.intervals import UNKNOWN
from scoring.scores.scorecard import Scorecard
from scoring.scores.scores import SCORECARD, Scores, buckets, known_effects, log_odds
from scoring.vocabulary import Segment

Floats = npt.NDArray[np.float64]
_FROM_CARD: Final = ("ability", "p_full", "payable_low_cents", "payable_mid_cents", "payable_high_cents")


def card_scores(bundle: Bundle, frame: FeatureFrame) -> Scores:
    """Score every account of a frame by the bundle's scorecard.

    Returns
    -------
    Scores
        ``scored_by`` says that the scorecard did; further probabilities (`scoring.scores.outcomes`) are absent.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: the bundle has no scorecard.

    Examples
    --------
    >>> from pathlib import Path
    >>> card_scores(Bundle("ab", Path("small"), {}, {}), frame=None)
    Traceback (most recent call last):
    ...
    scoring.errors.BundleError: The bundle has no scorecard, so nothing stands in for its models. Retrain with this version.
    """
    card = bundle.scorecard
    if card is None:
        raise BundleError(
            "The bundle has no scorecard, so nothing stands in for its models. Retrain with this version.",
            field="scorecard",
        )
    found, at, n = card.scored(frame), frame.positions, len(frame)
    dpd, missing = at["dpd"].to_numpy(dtype=np.int64), missing_evidence(frame.values)
    willingness = log_odds(found["w_logged"].to_numpy(dtype=np.float64))
    under_actions = effects.apply(known_effects(), frame.values, willingness).columns()
    none, ability = under_actions["w_none"], found["ability"].to_numpy(dtype=np.float64)
    none_low, none_high = UNKNOWN.around(log_odds(none))
    ability_low, ability_high = UNKNOWN.around(log_odds(ability))
    columns = {
        "account_id": at["account_id"].to_numpy(),
        "as_of": np.full(n, frame.as_of, dtype="datetime64[D]"),
        "dpd": dpd,
        "bucket": buckets(dpd),
        "past_due_cents": at["past_due_cents"].to_numpy(dtype=np.int64),
        "cure_amount_cents": at["cure_amount_cents"].to_numpy(dtype=np.int64),
        "w_logged": found["w_logged"].to_numpy(),
        **under_actions,
        "w_none_low": none_low,
        "w_none_high": none_high,
        **{name: found[name].to_numpy() for name in _FROM_CARD},
        "ability_low": ability_low,
        "ability_high": ability_high,
        "w_adjusted": bundle.adjusted_willingness.adjusted(willingness, ability),
        "segment": np.full(n, str(Segment.UNDETERMINED), dtype=object),
        "evidence": evidence_states(missing),
        "evidence_missing": told(missing),
        "expected_cents": found["w_logged"].to_numpy() * ability * at["cure_amount_cents"].to_numpy(dtype=np.float64),
    }
    margins = {name: card.scale.log_odds(card.cards[name].score(frame.values)) for name in EXPLAINED}
    parts = {name: contributions(card, name, frame.values) for name in EXPLAINED}
    return Scores(frame, pd.DataFrame(columns), margins, parts, SCORECARD)


def contributions(card: Scorecard, name: str, values: npt.NDArray[np.float32]) -> Floats:
    """What each feature adds to a card's log-odds, against the training population.

    Returns
    -------
    array (n_accounts, n_features + 1)
        Each row sums to the card's log-odds; the last column is what the population has on average.
    """
    one, found = card.cards[name], np.zeros((len(values), len(FEATURE_NAMES) + 1))
    points = one.parts(values)
    for place, characteristic in enumerate(one.characteristics):
        column = FEATURE_NAMES.index(characteristic.feature)
        found[:, column] += (points[:, place] - characteristic.expected_points) / card.scale.points_per_logit
    found[:, -1] = (one.expected_score - card.scale.base_points) / card.scale.points_per_logit
    return found
