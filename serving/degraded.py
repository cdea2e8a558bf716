"""When the boosters cannot score: the scorecard that comes with the bundle answers instead, and every such answer says so.

The scorecard knows no channel effects, intervals or contributions of its own: effects are the dated prior, intervals are absent, and
no reasons are given. Nothing new is decided on it; decisions of the plan stand.
"""

from __future__ import annotations

import lightgbm
import numpy as np
import pandas as pd

from scoring.errors import BundleError, ContributionsError, FeatureError
from scoring.features.builder import FeatureFrame
from scoring.scores import effects
from scoring.scores.bundle import Bundle
from scoring.scores.scores import Scores, buckets, evidence, known_effects, log_odds, score

CANNOT_SCORE = (ContributionsError, BundleError, FeatureError, lightgbm.basic.LightGBMError, MemoryError)


def score_or_card(bundle: Bundle, frame: FeatureFrame) -> tuple[Scores, bool]:
    """Scores, and whether they are the scorecard's.

    Raises
    ------
    ScoringError
        Of the boosters, where the bundle has no scorecard.
    """
    try:
        return score(bundle, frame), False
    except CANNOT_SCORE:
        if bundle.scorecard is None:
            raise
        return card_scores(bundle, frame), True


def card_scores(bundle: Bundle, frame: FeatureFrame) -> Scores:
    """Scores of the bundle's scorecard in the columns of the boosters' scores."""
    assert bundle.scorecard is not None
    card, positions = bundle.scorecard.scored(frame), frame.positions
    margin = log_odds(card["w_logged"].to_numpy(dtype=np.float64))
    n, dpd = len(frame), positions["dpd"].to_numpy(dtype=np.int64)
    columns = {
        "account_id": positions["account_id"].to_numpy(),
        "as_of": np.full(n, frame.as_of, dtype="datetime64[D]"),
        "dpd": dpd,
        "bucket": buckets(dpd),
        "past_due_cents": positions["past_due_cents"].to_numpy(dtype=np.int64),
        "cure_amount_cents": positions["cure_amount_cents"].to_numpy(dtype=np.int64),
        "w_logged": card["w_logged"].to_numpy(),
        **effects.apply(known_effects(), frame.values, margin).columns(),
        **{name: card[name].to_numpy() for name in CARD_COLUMNS},
        "segment": np.full(n, "undetermined", dtype=object),
        "evidence": evidence(frame),
    }
    return Scores(frame, pd.DataFrame(columns), {}, {})


CARD_COLUMNS = ("ability", "p_full", "payable_low_cents", "payable_mid_cents", "payable_high_cents")
