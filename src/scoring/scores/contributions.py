"""Exact contributions of every feature to a margin: `contributions` from leaf tables, `contributions_reference` from
LightGBM, and the check that they add up.

What comes out for a row does not depend, in any bit, on its batch, its place in it or the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError, ContributionsError, FeatureError
from scoring.scores.leaf_tables import Floats, LeafTables, leaf_tables

ROWS_PER_TASK = 4096
FEWEST_ROWS_IN_A_BLOCK = 6
"""Fewer left-over rows than this are quicker one by one than as a block that is mostly empty."""


def contributions(tables: LeafTables, features: npt.ArrayLike, *, threads: int = 1) -> Floats:
    """What each feature adds to the margin of each row, next to the expected margin.

    Parameters
    ----------
    tables : LeafTables
        Of the model, see `leaf_tables`.
    features : array, shape (n_rows, n_features)
        In the order of training; NaN where missing.
    threads : int
        Rows are shared out over this many threads; the numbers do not depend on it.

    Returns
    -------
    array of float64, shape (n_rows, n_features + 1)
        Log-odds, laid out as ``booster.predict(features, pred_contrib=True)`` and equal to it to about 1e-15. The last
        column is the expected margin; a row adds up to its margin.

    Raises
    ------
    FeatureError
        ``bad_feature``: not a table of numbers with as many columns as the model has features.

    Examples
    --------
    >>> x = np.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> booster = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 1)
    >>> contributions(leaf_tables(booster), [[12.0], [45.0]]).round(3).tolist()
    [[-0.194, -0.067], [0.207, -0.067]]
    >>> contributions(leaf_tables(booster), [[12.0, 1.0]])
    Traceback (most recent call last):
        ...
    scoring.errors.FeatureError: The feature array has shape (1, 2) but the model reads 1 feature a row. Give one row \
per account and one column per feature, in the order of the feature list in the bundle.
    """
    rows = feature_rows(features, tables.n_features)
    result = np.empty((len(rows), tables.n_features + 1))
    starts = range(0, len(rows), ROWS_PER_TASK)
    if threads <= 1 or len(starts) <= 1:
        for start in starts:
            _explain_rows(tables, rows, result, start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(
                pool.map(lambda start: _explain_rows(tables, rows, result, start), starts)
            )  # raises what a task raised
    return result


def warm_up(tables: LeafTables) -> None:
    """Compile the kernel, or load it from numba's cache, so that the first request does not wait for it."""
    contributions(tables, np.zeros((1, tables.n_features)))


def contributions_reference(booster: lightgbm.Booster, features: npt.ArrayLike, *, threads: int = 1) -> Floats:
    """LightGBM's own contributions (`pred_contrib`): the oracle of the tests and the way for models without tables.

    Raises
    ------
    FeatureError
        As `contributions`.
    BundleError
        ``bundle_mismatch``: LightGBM cannot explain this model either (linear leaves).

    Examples
    --------
    >>> x = np.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> booster = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 1)
    >>> contributions_reference(booster, [[12.0], [45.0]]).round(3).tolist()
    [[-0.194, -0.067], [0.207, -0.067]]
    """
    rows = feature_rows(features, booster.num_feature())
    if not len(rows):
        return np.empty((0, booster.num_feature() + 1))
    try:
        return np.asarray(booster.predict(rows, pred_contrib=True, num_threads=threads), np.float64)
    except lightgbm.basic.LightGBMError as error:
        raise BundleError(
            f"LightGBM refuses to explain this model ({error}), so its scores would have no reasons. Train with the "
            "recipes' defaults: gbdt, numerical features, constant leaves.",
            field="booster",
            got=str(error),
        ) from error


@dataclass(frozen=True, slots=True)
class Explained:
    """Contributions, and where they came from."""

    contributions: Floats
    method: Literal["leaf_tables", "pred_contrib"]


def tables_where_possible(booster: lightgbm.Booster) -> LeafTables | None:
    """The leaf tables, or None for a model that they cannot hold (`leaf_tables` says why)."""
    try:
        return leaf_tables(booster)
    except BundleError:
        return None


def explained(
    booster: Callable[[], lightgbm.Booster],
    tables: LeafTables | None,
    features: npt.ArrayLike,
    *,
    threads: int = 1,
) -> Explained:
    """Contributions from the leaf tables where the model has them, else from LightGBM, whose booster is only then asked for.

    >>> x = np.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> booster = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 1)
    >>> explained(lambda: booster, tables_where_possible(booster), [[12.0]]).method
    'leaf_tables'
    >>> explained(lambda: booster, None, [[12.0]]).method
    'pred_contrib'
    """
    if tables is None:
        return Explained(contributions_reference(booster(), features, threads=threads), "pred_contrib")
    return Explained(contributions(tables, features, threads=threads), "leaf_tables")


def assert_additive(contributions: Floats, margins: Floats, tolerance: float = 1e-9) -> None:
    """Refuse contributions that do not add up to the margins that were served.

    Parameters
    ----------
    contributions : array, shape (n_rows, n_features + 1)
    margins : array, shape (n_rows,)
        ``booster.predict(features, raw_score=True)``.
    tolerance : float
        Largest difference accepted, in log-odds.

    Raises
    ------
    ContributionsError
        ``contributions_do_not_add_up``: names the worst row and by how much it is off, or the two shapes.

    Examples
    --------
    >>> assert_additive(np.array([[0.5, -0.25]]), np.array([0.25]))
    >>> assert_additive(np.array([[0.5, -0.25], [0.5, -0.25]]), np.array([0.25, 0.5]))
    Traceback (most recent call last):
        ...
    scoring.errors.ContributionsError: Row 1: contributions add up to 0.25 but the margin is 0.5, off by 0.25 where \
1e-09 is allowed. The reasons would belong to another score: check that tables, features and margins are of one model.
    """
    if len(contributions) != len(margins):
        raise ContributionsError(
            f"{len(contributions)} rows of contributions stand against {len(margins)} margins, so they cannot be of "
            "the same accounts. Explain and predict the same feature rows.",
            got=len(contributions),
            expected=len(margins),
        )
    if not len(margins):
        return
    sums = contributions.sum(axis=1)
    errors = np.abs(sums - margins)
    worst = int(errors.argmax())  # a NaN anywhere is off by more than any number
    if not errors[worst] <= tolerance:
        raise ContributionsError(
            f"Row {worst}: contributions add up to {sums[worst]:.12g} but the margin is {margins[worst]:.12g}, off by "
            f"{errors[worst]:.3g} where {tolerance:.3g} is allowed. The reasons would belong to another score: check "
            "that tables, features and margins are of one model.",
            field=f"row {worst}",
            got=float(sums[worst]),
            expected=float(margins[worst]),
        )


def feature_rows(features: npt.ArrayLike, n_features: int) -> npt.NDArray[Any]:
    """Features as an array of rows, if it is one of as many columns as the model reads.

    >>> feature_rows([[1.0, 2.0]], 2).shape
    (1, 2)
    """
    rows = np.asarray(features)
    if rows.ndim != 2 or rows.shape[1] != n_features:
        raise FeatureError(
            f"The feature array has shape {rows.shape} but the model reads {n_features} "
            f"feature{'s' if n_features > 1 else ''} a row. Give one row per account and one column per feature, in "
            "the order of the feature list in the bundle.",
            field="features",
            got=list(rows.shape),
            expected=n_features,
        )
    if rows.dtype.kind not in "fiub":
        raise FeatureError(
            f"The feature array holds {rows.dtype} where the model reads numbers. Build it with the feature builder "
            "of the bundle, as float32 with NaN where missing.",
            field="features",
            got=str(rows.dtype),
            expected="float32",
        )
    return rows


def _explain_rows(tables: LeafTables, rows: npt.NDArray[Any], result: Floats, start: int) -> None:
    """Explain one task's rows; a copy only where they are not float64 in C order already."""
    from scoring.scores.contribution_kernel import BLOCK, explain_blocks, explain_each  # numba: a second to import

    end = min(start + ROWS_PER_TASK, len(rows))
    task = np.require(rows[start:end], np.float64, ["C", "W"])
    left_over = len(task) % BLOCK
    in_blocks = len(task) - left_over if left_over < FEWEST_ROWS_IN_A_BLOCK else len(task)
    for kernel, first, last in ((explain_blocks, 0, in_blocks), (explain_each, in_blocks, len(task))):
        if first == last:
            continue
        kernel(task[first:last], tables.expected_value, *tables.arrays, result[start + first : start + last])
