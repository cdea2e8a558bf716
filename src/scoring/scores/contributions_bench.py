"""How fast contributions are here, beside LightGBM's own in the same run. The clock comes from the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np

from scoring.scores.contributions import contributions, contributions_reference, warm_up
from scoring.scores.leaf_tables import leaf_tables

REPEATS_SMALL = 20
SMALL = 200


@dataclass(frozen=True, slots=True)
class ContributionTiming:
    """Seconds for one batch on one thread; the best of several runs, because neighbours only ever slow things down.

    ``largest_difference`` is between leaf tables and ``pred_contrib``, in log-odds; NaN where the batch was too large
    to run ``pred_contrib`` on it.
    """

    n_rows: int
    predict_s: float
    pred_contrib_s: float
    leaf_tables_s: float
    largest_difference: float


@dataclass(frozen=True, slots=True)
class ContributionFigures:
    """The model measured, the cost of its tables, and one timing per batch size."""

    model: str
    build_s: float
    tables_mib: float
    timings: tuple[ContributionTiming, ...]


def measure_contributions(
    clock: Callable[[], float],
    *,
    row_counts: Sequence[int] = (1, 100, 1_000),
    reference_up_to: int = 1_000,
    n_trees: int = 200,
    n_features: int = 60,
) -> ContributionFigures:
    """Train a model of the usual size on random numbers and time predictions and both kinds of contributions.

    Parameters
    ----------
    clock : callable
        Seconds, such as ``time.perf_counter``: this package reads no clock itself.
    row_counts : sequence of int
        Batch sizes.
    reference_up_to : int
        Batches above this skip ``pred_contrib`` (a second for every thousand rows); its time is then NaN.
    n_trees, n_features : int
        Size of the model; trees have up to 31 leaves and depth 6.

    Returns
    -------
    ContributionFigures

    Examples
    --------
    >>> from itertools import count
    >>> ticks = count()
    >>> figures = measure_contributions(lambda: float(next(ticks)), row_counts=(3,), n_trees=2, n_features=4)
    >>> figures.timings[0].leaf_tables_s, figures.timings[0].largest_difference < 1e-12
    (1.0, True)
    """
    rng = np.random.default_rng(20_260_801)
    train = _random_rows(rng, 20_000, n_features)
    outcome = np.nansum(train[:, : n_features // 3 + 1], axis=1) + rng.normal(size=len(train)) > 0
    recipe = {"objective": "binary", "num_leaves": 31, "max_depth": 6, "learning_rate": 0.05, "num_threads": 1}
    booster = lightgbm.train({**recipe, "verbose": -1}, lightgbm.Dataset(train, outcome), n_trees)
    warm_up(leaf_tables(booster))
    start = clock()
    tables = leaf_tables(booster)
    build_s = clock() - start

    def timing(n_rows: int) -> ContributionTiming:
        rows = _random_rows(rng, n_rows, n_features)
        repeats = REPEATS_SMALL if n_rows <= SMALL else 3
        tables_s = _best(clock, lambda: contributions(tables, rows), repeats)
        predict_s = _best(clock, lambda: booster.predict(rows, num_threads=1), repeats)
        if n_rows > reference_up_to:
            return ContributionTiming(n_rows, predict_s, np.nan, tables_s, np.nan)
        reference_s = _best(clock, lambda: contributions_reference(booster, rows), min(repeats, 3))
        difference = np.abs(contributions(tables, rows) - contributions_reference(booster, rows)).max()
        return ContributionTiming(n_rows, predict_s, reference_s, tables_s, float(difference))

    return ContributionFigures(
        model=f"{n_trees} trees x 31 leaves, depth 6, {n_features} features",
        build_s=build_s,
        tables_mib=tables.nbytes / 2**20,
        timings=tuple(map(timing, row_counts)),
    )


def _random_rows(rng: np.random.Generator, n_rows: int, n_features: int) -> np.ndarray:
    rows = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


def _best(clock: Callable[[], float], work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        seconds.append(clock() - start)
    return min(seconds)
