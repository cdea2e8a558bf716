"""Rotation: the same training with other customers held out, so that a figure does not hang on one lucky or unlucky draw.

A hundred large payers decide what share of the money the top of a queue holds; which of them fall into one 30 % test set is
chance. Each turn holds out another share of customers, trains the two scores on the rest of the training days and judges them on
the held-out customers on the test day. The turns go round a circle of hashes, so everybody is held out equally often and no turn is
picked. The mean over the turns is the headline, their spread is shown beside it; the registered bundle is the first turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import FeatureFrame
from scoring.scores.scores import probability
from training.boosting import fit_scores
from training.evaluation import evaluation_table, metrics
from training.recipe import Recipe
from training.snapshots import Snapshot, is_held_out


def is_test_customer(seen: Snapshot, recipe: Recipe, turn: int = 0) -> npt.NDArray[np.bool_]:
    """Which accounts of a snapshot belong to customers held out in a turn."""
    shift = turn / recipe.split["rotations"]
    return is_held_out(seen.frame.positions["customer_id"], recipe.split["test_customer_share"], shift=shift)


def without_test_customers(seen: Snapshot, recipe: Recipe, turn: int = 0) -> Snapshot:
    """A training day less the turn's held-out customers."""
    return seen.take(~is_test_customer(seen, recipe, turn))


def held_out_customers(seen: Snapshot, recipe: Recipe, turn: int = 0) -> Snapshot:
    """The test day's queue, held-out customers only."""
    return seen.take(is_test_customer(seen, recipe, turn) & seen.in_queue)


def turns_of(recipe: Recipe, n_rows: int) -> tuple[int, ...]:
    """The turns that are taken: all of them, or on many training rows only those that hold out nobody twice.

    On a large portfolio luck is small and every turn is dear: disjoint turns still judge nearly everybody once.

    Examples
    --------
    >>> from training.recipe import read_recipe
    >>> recipe = read_recipe(None)
    >>> len(turns_of(recipe, 5_000)), turns_of(recipe, 100_000)
    (10, (0, 3, 6))
    """
    turns, share = recipe.split["rotations"], recipe.split["test_customer_share"]
    if n_rows <= MANY_ROWS:
        return tuple(range(turns))
    apart = max(1, -(-round(share * turns * 1000) // 1000))
    return tuple(range(0, turns - apart + 1, apart))


MANY_ROWS: Final = 50_000
"""More training rows than this, and only disjoint turns are taken."""


def rotate(train_days: Sequence[Snapshot], test_day: Snapshot, recipe: Recipe, *, threads: int = 1) -> pd.DataFrame:
    """Test figures of every turn.

    Parameters
    ----------
    train_days, test_day
        With everybody; each turn holds out its own customers.
    recipe : Recipe
    threads : int
        Models fitted at the same time; the figures do not depend on it.

    Returns
    -------
    DataFrame, one row per turn
        The figures of `training.evaluation.metrics` for the two scores.
    """
    turns = []
    for turn in turns_of(recipe, sum(len(day.frame) for day in train_days)):
        boosters = fit_scores(
            [without_test_customers(day, recipe, turn) for day in train_days], recipe, threads=threads
        )
        held_out = held_out_customers(test_day, recipe, turn)
        scored = _scored(
            held_out.frame,
            {
                name: np.asarray(booster.predict(held_out.frame.values, raw_score=True))
                for name, booster in boosters.items()
            },
        )
        turns.append(metrics(evaluation_table(scored, held_out.targets)))
    return pd.DataFrame(turns)


def _scored(frame: FeatureFrame, margins: dict[str, npt.NDArray[np.float64]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dpd": frame.positions["dpd"],
            "cure_amount_cents": frame.positions["cure_amount_cents"],
            "w_logged": probability(margins["willingness"]),
            "ability": probability(margins["ability"]),
        }
    )
