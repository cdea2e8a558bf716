"""Coalitions of feature groups: a model's margin for every hybrid of an account and a reference, and exact Shapley values.

A *coalition* is a set of reason groups whose features come from the account, while all others come from a reference account.
Nothing is sampled: `coalition_kernel` says how all coalitions of a row are had in one pass over the leaves.

Reference: Shapley 1953; interventional ("true to the model") values with fixed references as in Lundberg et al., Nature
Machine Intelligence 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scoring.scores.coalition_kernel import coalition_margins, find_failures, shapley_values
from scoring.scores.leaf_tables import missing_turns
from scoring.scores.tree_text import Tree, read_forest

if TYPE_CHECKING:
    import lightgbm

MOST_GROUPS = 12
MOST_REFERENCES = 64

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Paths:
    """One model as paths from root to leaf, with the groups that each reference fails on them.

    Attributes
    ----------
    n_groups : int
    split_* : array, one per split
        As `scoring.scores.leaf_tables.LeafTables`; ``split_group`` is the reason group of the split's feature.
    path_starts, path_split, path_left : array
        Path of leaf i: the splits from ``path_starts[i]`` on, and whether each must turn left.
    leaf_value : array, one per leaf
    reference_failed : array (n_leaves, n_references), int32
        Groups, as bits, with a condition that the reference does not meet.
    meeting : array (n_leaves, n_groups), uint64
        References, as bits, that meet every condition of the group.
    """

    n_groups: int
    split_feature: npt.NDArray[np.int64]
    split_threshold: Floats
    split_nan_left: npt.NDArray[np.uint8]
    split_zero_turned: npt.NDArray[np.uint8]
    split_group: npt.NDArray[np.int64]
    path_starts: npt.NDArray[np.int64]
    path_split: npt.NDArray[np.int64]
    path_left: npt.NDArray[np.uint8]
    leaf_value: Floats
    reference_failed: npt.NDArray[np.int32]
    meeting: npt.NDArray[np.uint64]

    def failed(self, rows: Singles) -> npt.NDArray[np.int32]:
        """Groups that each row fails on the path of each leaf, as bits; shape (n_rows, n_leaves)."""
        found = np.empty((len(rows), len(self.leaf_value)), dtype=np.int32)
        find_failures(
            np.ascontiguousarray(rows, dtype=np.float32),
            self.split_feature,
            self.split_threshold,
            self.split_nan_left,
            self.split_zero_turned,
            self.split_group,
            self.path_starts,
            self.path_split,
            self.path_left,
            found,
        )
        return found

    def margins(self, failed: npt.NDArray[np.int32]) -> Floats:
        """The model's margin for every hybrid of one row and each reference; shape (2^n_groups, n_references)."""
        found = np.empty((1 << self.n_groups, self.reference_failed.shape[1]))
        coalition_margins(failed, self.reference_failed, self.meeting, self.leaf_value, self.n_groups, found)
        return found


def paths(booster: lightgbm.Booster, groups: Sequence[int], references: Singles) -> Paths:
    """Take a model apart for `scoring.scores.rank_reasons`.

    Parameters
    ----------
    booster : lightgbm.Booster
        One margin per row, numerical splits, constant leaves.
    groups : sequence of int
        The group of each feature, numbered from 0; at most 12 groups.
    references : array (n_references, n_features), float32
        At most 64.

    Returns
    -------
    Paths

    Raises
    ------
    BundleError
        ``bundle_mismatch``: a kind of model that cannot be taken apart.

    Examples
    --------
    >>> import lightgbm
    >>> x = np.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> booster = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 1)
    >>> found = paths(booster, [0], np.array([[12.0]], dtype=np.float32))
    >>> found.margins(found.failed(np.array([[45.0]], dtype=np.float32))[0]).round(3).tolist()
    [[-0.26], [0.14]]
    """
    if len(references) > MOST_REFERENCES:
        raise ValueError(f"{len(references)} references are too many; give at most {MOST_REFERENCES}.")
    if max(groups) >= MOST_GROUPS:
        raise ValueError(f"{max(groups) + 1} groups have too many coalitions; put features into at most {MOST_GROUPS}.")
    forest = read_forest(booster)
    trees = forest.trees
    feature = np.array([one for tree in trees for one in tree.split_feature], dtype=np.int64)
    thresholds = [one for tree in trees for one in tree.threshold]
    kinds = [one for tree in trees for one in tree.decision_type]
    turns = [missing_turns(*split) for split in zip(thresholds, kinds, strict=True)]
    starts, splits, lefts, values = [0], [], [], []
    first = 0
    for tree in trees:
        for path, value in _leaves(tree):
            splits += [first + split for split, _ in path]
            lefts += [left for _, left in path]
            starts.append(len(splits))
            values.append(value)
        first += len(tree.split_feature)
    empty = np.empty((len(values), 0), dtype=np.int32)
    taken = Paths(
        n_groups=max(groups) + 1,
        split_feature=feature,
        split_threshold=np.array(thresholds, dtype=np.float64),
        split_nan_left=np.array([left for left, _ in turns], dtype=np.uint8),
        split_zero_turned=np.array([turned for _, turned in turns], dtype=np.uint8),
        split_group=np.array(groups, dtype=np.int64)[feature],
        path_starts=np.array(starts, dtype=np.int64),
        path_split=np.array(splits, dtype=np.int64),
        path_left=np.array(lefts, dtype=np.uint8),
        leaf_value=np.array(values, dtype=np.float64),
        reference_failed=empty,
        meeting=np.empty((0, 0), dtype=np.uint64),
    )
    failed = np.ascontiguousarray(taken.failed(references).T)
    return Paths(**{**vars(taken), "reference_failed": failed, "meeting": _meeting(failed, taken.n_groups)})


def _meeting(failed: npt.NDArray[np.int32], n_groups: int) -> npt.NDArray[np.uint64]:
    bit = np.uint64(1) << np.arange(failed.shape[1], dtype=np.uint64)
    return np.stack(
        [((failed >> group & 1 == 0) * bit).sum(axis=1, dtype=np.uint64) for group in range(n_groups)], axis=1
    )


def _leaves(tree: Tree) -> list[tuple[list[tuple[int, bool]], float]]:
    """Every leaf of a tree: its path as (split, turns left) from the root, and its value."""
    if not tree.split_feature:
        return [([], tree.leaf_value[0])]
    found: list[tuple[list[tuple[int, bool]], float]] = []
    open_nodes: list[tuple[int, list[tuple[int, bool]]]] = [(0, [])]
    while open_nodes:
        node, path = open_nodes.pop()
        if node < 0:
            found.append((path, tree.leaf_value[~node]))
            continue
        open_nodes.append((tree.left_child[node], [*path, (node, True)]))
        open_nodes.append((tree.right_child[node], [*path, (node, False)]))
    return found


def shapley_of(worth: Floats) -> Floats:
    """Shapley values of every group in some games at once.

    Parameters
    ----------
    worth : array (2^n_groups, n_games)
        Worth of each coalition, its groups as bits.

    Returns
    -------
    array (n_groups, n_games)

    Examples
    --------
    >>> shapley_of(np.array([[0.0], [1.0], [2.0], [5.0]])).tolist()
    [[2.0], [3.0]]
    """
    n_groups = worth.shape[0].bit_length() - 1
    weights = np.array([factorial(s) * factorial(n_groups - 1 - s) / factorial(n_groups) for s in range(n_groups)])
    found = np.empty((n_groups, worth.shape[1]))
    shapley_values(np.ascontiguousarray(worth), weights, found)
    return found
