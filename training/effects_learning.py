"""From a portfolio to its channel effects: matured decisions, the logged score at each by models that never saw the customer, the fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.portfolio.reading import Portfolio
from scoring.scores.effects import LearnedEffects, prior_effects
from scoring.scores.scores import channel_effects
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import Channel
from training.effects import fit_effects
from training.effects_data import MAX_DAYS, MAX_ROWS, LoggedDecisions, logged_decisions
from training.effects_fit import Floats
from training.fitting import fit_scores
from training.recipe import Recipe
from training.snapshots import Snapshot

FOLDS: Final = 3
"""Turns of fitting the logged score without a share of the customers."""

Progress = Callable[[str], None]


def prior_shifts() -> dict[Channel, float]:
    """The dated prior's shifts.

    Examples
    --------
    >>> prior_shifts()[Channel.AGENT_CALL]
    0.3
    """
    return {channel: effect.shift for channel, effect in channel_effects().items()}


def learn_effects(
    portfolio: Portfolio,
    snapshots: Sequence[Snapshot],
    recipe: Recipe,
    definition: TargetDefinition,
    *,
    until: date | None = None,
    max_days: int = MAX_DAYS,
    max_rows: int = MAX_ROWS,
    progress: Progress = lambda message: None,
) -> LearnedEffects:
    """Learn the effects of a portfolio's contacts; its prior where it has no log of decisions.

    Parameters
    ----------
    portfolio : Portfolio
    snapshots : sequence of Snapshot
        The training days on which the logged score is fitted, held-out customers left out.
    recipe : Recipe
        How the logged score is fitted.
    definition : TargetDefinition
    until : date, optional
        Decisions whose window closes after this day are left out: the test day, when the effects are to be judged.
    max_days, max_rows : int
        See `training.effects_data.logged_decisions`.
    progress : callable

    Returns
    -------
    LearnedEffects
    """
    decisions = logged_decisions(
        portfolio, definition, until=until, max_days=max_days, max_rows=max_rows, progress=progress
    )
    if decisions is None:
        return prior_effects(prior_shifts())
    customers = pd.concat([one.frame.positions["customer_id"] for one in snapshots])
    # Customers held out of training are held out of the log too.
    decisions = decisions.take(decisions.rows["customer_id"].isin(customers).to_numpy())
    progress(f"logged score of {len(decisions):,} decisions")
    return fit_effects(decisions, crossed_margins(snapshots, decisions, recipe)[0], prior_shifts())


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
