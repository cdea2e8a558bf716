"""Leaf tables: everything exact TreeSHAP needs to know about a model, worked out once.

Path-dependent TreeSHAP is a sum over leaves. What one leaf contributes depends only on *which of the features on its
path hold* for the row (a feature holds when all its splits on the path send the row towards the leaf), so with d
distinct features there are only 2^d answers. `leaf_groups` puts neighbouring leaves together; one table per group
holds, for each of at most 256 bytes, what the group's leaves add to each of their features. A row then costs one byte
of answers and one line of a table per group (`contributions` does that).

For a leaf with value v, features N (d of them) and shares z, and a row for which the features H hold:

    hot  j in H:      v (1 - z_j) C(H)     W(H - j)
    cold j not in H: -v  z_j      C(H + j) W(H)

C(S) is the product of the shares outside S. W(S) adds up the Shapley weights s! (d-1-s)! / d! over the coalitions
inside S, each times the shares of the members of S that it leaves out: read off the polynomial prod over S of (z + x).

References: Lundberg, Erion, Lee: Consistent individualized feature attribution for tree ensembles, arXiv 1802.03888
(the path-dependent form, which is also LightGBM's ``pred_contrib``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import accumulate
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scoring.scores.leaf_groups import Group, depth, groups
from scoring.scores.tree_text import (
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_TYPE_SHIFT,
    MISSING_ZERO,
    OR_SLOWLY,
    Tree,
    read_forest,
    refusal,
)

if TYPE_CHECKING:
    import lightgbm

MAX_DEPTH = 8

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LeafTables:
    """One model as flat arrays: all that the contribution kernel reads.

    Splits stand tree by tree, conditions and features group by group. ``*_starts`` holds the first position of each
    tree or group, and one more at the end.

    Attributes
    ----------
    n_features : int
        Columns that a feature array must have.
    expected_value : float
        Mean margin of the training rows: the last column of every result.
    split_feature, split_threshold, split_nan_left, split_zero_turned : array, one per split
        A row goes left where its value is at most the threshold; whether it also does where its value is missing, and
        whether zero goes the other way than the comparison says.
    condition_split, condition_flip, condition_keep : array, one per condition
        Number of the split within its tree; 255 where the row must turn right; the bits of the byte that stay when
        the condition is not met.
    group_feature : array, one per column of a table
        The feature that the column adds to.
    entries : array
        The tables, line by line; the line of byte b of group g starts at ``entry_starts[g] + b * columns``.
    """

    n_features: int
    expected_value: float
    tree_split_starts: Places
    tree_group_starts: Places
    split_feature: Places
    split_threshold: Floats
    split_nan_left: Bytes
    split_zero_turned: Bytes
    condition_starts: Places
    condition_split: Bytes
    condition_flip: Bytes
    condition_keep: Bytes
    feature_starts: Places
    group_feature: Places
    entry_starts: Places
    entries: Floats

    @cached_property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The arrays in the order of the fields, which is the order in which the kernel takes them."""
        return tuple(getattr(self, field.name) for field in fields(self)[2:])

    @property
    def nbytes(self) -> int:
        """Memory of all arrays together, in bytes."""
        return sum(part.nbytes for part in self.arrays)


def leaf_tables(booster: lightgbm.Booster) -> LeafTables:
    """The leaf tables of a booster: built once, used for every row.

    Parameters
    ----------
    booster : lightgbm.Booster
        One margin per row, numerical splits, constant leaves, depth of at most 8.

    Returns
    -------
    LeafTables
        About 7 MB for 200 trees of 31 leaves and depth 6.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: a kind of model that leaf tables cannot hold; says what to change.

    Examples
    --------
    >>> import lightgbm, numpy
    >>> x = numpy.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> tables = leaf_tables(lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 1))
    >>> tables.n_features, tables.split_threshold.tolist(), tables.entries.size
    (1, [30.500000000000004], 2)
    """
    forest = read_forest(booster)
    for number, tree in enumerate(forest.trees):
        if depth(tree) > MAX_DEPTH:
            raise refusal(
                f"is {depth(tree)} splits deep in tree {number}", f"Train with max_depth={MAX_DEPTH}{OR_SLOWLY}"
            )
    by_tree = [groups(tree) for tree in forest.trees]
    all_groups = [group for tree_groups in by_tree for group in tree_groups]
    conditions = [condition for group in all_groups for condition in group.conditions]
    thresholds = [threshold for tree in forest.trees for threshold in tree.threshold]
    decision_types = [decision_type for tree in forest.trees for decision_type in tree.decision_type]
    turns = [missing_turns(*split) for split in zip(thresholds, decision_types, strict=True)]
    entry_starts = _starts(len(group.features) << group.n_bits for group in all_groups)
    return LeafTables(
        n_features=forest.n_features,
        expected_value=sum(map(_expected_value, forest.trees)),
        tree_split_starts=_starts(len(tree.threshold) for tree in forest.trees),
        tree_group_starts=_starts(map(len, by_tree)),
        split_feature=np.array([feature for tree in forest.trees for feature in tree.split_feature], np.int64),
        split_threshold=np.array(thresholds, np.float64),
        split_nan_left=np.array([nan_left for nan_left, _ in turns], np.uint8),
        split_zero_turned=np.array([zero_turned for _, zero_turned in turns], np.uint8),
        condition_starts=_starts(len(group.conditions) for group in all_groups),
        condition_split=np.array([condition.split for condition in conditions], np.uint8),
        condition_flip=np.array([0 if condition.left else 255 for condition in conditions], np.uint8),
        condition_keep=np.array([255 - condition.bit for condition in conditions], np.uint8),
        feature_starts=_starts(len(group.features) for group in all_groups),
        group_feature=np.array([feature for group in all_groups for feature in group.features], np.int64),
        entry_starts=entry_starts,
        entries=_entries(all_groups, entry_starts),
    )


def _starts(lengths: Iterable[int]) -> Places:
    return np.array([0, *accumulate(lengths)], np.int64)


def _expected_value(tree: Tree) -> float:
    """Mean of the leaves by training rows, added up in LightGBM's order so that it comes out to the bit."""
    if not tree.split_feature:
        return tree.leaf_value[0]
    mean = 0.0
    for value, count in zip(tree.leaf_value, tree.leaf_count, strict=True):
        mean += count / tree.internal_count[0] * value
    return mean


def missing_turns(threshold: float, decision_type: int) -> tuple[bool, bool]:
    """Whether missing values go left, and whether zeros go against the comparison, as LightGBM decides it.

    Missing type *none*: a missing value counts as zero. *Zero*: missing values and zeros take the default side. *NaN*:
    missing values take the default side.
    """
    missing_type = decision_type >> MISSING_TYPE_SHIFT
    default_left = bool(decision_type & DEFAULT_LEFT)
    zero_left = default_left if missing_type == MISSING_ZERO else threshold >= 0.0
    nan_left = default_left if missing_type == MISSING_NAN else zero_left
    return nan_left, zero_left != (threshold >= 0.0)


def _entries(all_groups: list[Group], entry_starts: Places) -> Floats:
    leaves = [leaf for group in all_groups for leaf in group.leaves]
    terms = [term for leaf in leaves for term in leaf.terms]
    from scoring.scores.leaf_fill import fill_tables  # numba: a second to import

    entries = np.zeros(entry_starts[-1])
    fill_tables(
        entry_starts,
        np.array([len(group.features) for group in all_groups], np.int64),
        _starts(len(group.leaves) for group in all_groups),
        np.array([leaf.value for leaf in leaves], np.float64),
        _starts(len(leaf.terms) for leaf in leaves),
        np.array([term.share for term in terms], np.float64),
        np.array([term.care for term in terms], np.int64),
        np.array([term.want for term in terms], np.int64),
        np.array([term.column for term in terms], np.int64),
        _shapley_weights(),
        entries,
    )
    return entries


def _shapley_weights() -> Floats:
    """Row d, column s: s! (d-1-s)! / d!, zero where s = d."""
    weights = np.zeros((MAX_DEPTH + 1, MAX_DEPTH + 1))
    for d in range(1, MAX_DEPTH + 1):
        weights[d, :d] = [factorial(s) * factorial(d - 1 - s) / factorial(d) for s in range(d)]
    return weights
