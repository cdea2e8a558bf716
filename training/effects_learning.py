"""What a fit of channel effects starts from: the dated prior, and the logged score by models that never saw the customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.scores.scores import channel_effects
from scoring.vocabulary import Channel
from training.effects_data import LoggedDecisions
from training.effects_fit import Floats
from training.fitting import fit_scores
from training.recipe import Recipe
from training.snapshots import Snapshot

FOLDS: Final = 3
"""Turns of fitting the logged score without a share of the customers."""


def prior_shifts() -> dict[Channel, float]:
    """The dated prior's shifts.

    Examples
    --------
    >>> prior_shifts()[Channel.AGENT_CALL]
    0.3
    """
    return {channel: effect.shift for channel, effect in channel_effects().items()}


def crossed_margins(
    snapshots: Sequence[Snapshot], decisions: LoggedDecisions, recipe: Recipe, folds: int = FOLDS
) -> tuple[Floats, Floats]:
    """Log-odds of willingness and ability at every decision, by models that were trained without its customer."""
    found = np.zeros((2, len(decisions)))
    owner = fold_of(decisions.rows["customer_id"], folds)
    for fold in range(folds):
        others = [one.take(fold_of(one.frame.positions["customer_id"], folds) != fold) for one in snapshots]
        boosters = fit_scores(others, recipe)
        here = owner == fold
        for place, name in enumerate(("willingness", "ability")):
            found[place, here] = boosters[name].predict(decisions.values[here], raw_score=True, num_threads=1)
    return found[0], found[1]


def fold_of(customer_ids: pd.Series, folds: int) -> npt.NDArray[np.int64]:
    """The fold of each customer, by a stable hash.

    Examples
    --------
    >>> fold_of(pd.Series(["C1", "C1"]), 3).tolist() in ([0, 0], [1, 1], [2, 2])
    True
    """
    hashed = pd.util.hash_array(("fold:" + customer_ids.astype(str)).to_numpy(dtype=object), categorize=False)
    return np.asarray(hashed % np.uint64(folds), dtype=np.int64)
