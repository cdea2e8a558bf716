"""All models of a bundle as one set of arrays, and their margins from one call: what LightGBM's ``predict`` gives, to the bit.

Why not ``predict``: its wrapper costs more than the trees when a request asks a dozen models about one account. A model that the
arrays cannot hold (categories, linear leaves), or whose margins come out different by one bit on a sample, is left out, and is
asked through LightGBM as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError
from scoring.scores.contributions import feature_rows
from scoring.scores.leaf_tables import missing_turns
from scoring.scores.tree_text import Tree, read_forest

if TYPE_CHECKING:
    import lightgbm

NAN_LEFT, ZERO_TURNED, TURNS = 1, 2, 2
MOST_FEATURES: Final = 1 << 14
MOST_LEAVES: Final = 1 << 15
LEAVES_OF_A_WORD: Final = 64
EVERY_LEAF: Final = (1 << LEAVES_OF_A_WORD) - 1
FEWEST_ROWS_IN_A_BLOCK: Final = 8
"""Fewer rows walk down the trees one by one."""
ROWS_PER_TASK: Final = 4096

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]
Node = tuple[int, float, int, float]
"""Question (column and turns of missing and zero), threshold, place of the left child in its tree (the right one follows), value."""


@dataclass(frozen=True, slots=True)
class BlockTables:
    """The same trees for many rows at a time: splits and leaves from left to right, tree after tree.

    Attributes
    ----------
    split_starts, leaf_starts : array
        First of each tree, and one more at the end.
    split_question, split_threshold : array, one per split
        As of nodes.
    split_kept : array, one per split
        Bits of the leaves that a row may still reach that goes right.
    leaf_value : array, one per leaf
    """

    split_starts: npt.NDArray[np.int64]
    leaf_starts: npt.NDArray[np.int64]
    split_question: npt.NDArray[np.uint16]
    split_threshold: npt.NDArray[np.float32]
    split_kept: npt.NDArray[np.uint64]
    leaf_value: Floats

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """In the order in which the kernel takes them."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class ForestTables:
    """Trees of several models, tree after tree, model after model.

    Attributes
    ----------
    names : tuple of str
        Models, in the order of ``model_starts``.
    n_features : int
    model_starts : array
        First tree of each model, and one more at the end.
    tree_root, tree_depth : array, one per tree
    node_question, node_threshold, node_left, node_value : array, one per node
        See `Node`. As small as they can be without a different answer, so that they stay in a processor's cache: a float32 is at most
        a threshold exactly where it is at most the largest float32 that does not exceed it.
    blocks : BlockTables or None
        For many rows at a time; None where a tree has more leaves than a word has bits.
    """

    names: tuple[str, ...]
    n_features: int
    model_starts: npt.NDArray[np.int64]
    tree_root: Numbers
    tree_depth: Numbers
    node_question: npt.NDArray[np.uint16]
    node_threshold: npt.NDArray[np.float32]
    node_left: npt.NDArray[np.uint16]
    node_value: Floats
    blocks: BlockTables | None

    def margins(self, names: Sequence[str], values: npt.NDArray[np.float32], *, threads: int = 1) -> Floats:
        """Margins of some models, a line each.

        Parameters
        ----------
        names : sequence of str
            Of `names`.
        values : array (n_rows, n_features), float32
            NaN where missing.
        threads : int
            Rows are shared out over this many; the numbers do not depend on it.

        Returns
        -------
        array of float64, shape (len(names), n_rows)

        Raises
        ------
        FeatureError
            ``bad_feature``: not a table of numbers with as many columns as the models have features.

        Examples
        --------
        >>> import lightgbm
        >>> x = np.arange(60.0).reshape(-1, 1)
        >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
        >>> booster = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 3)
        >>> rows = np.array([[12.0], [45.0]], dtype=np.float32)
        >>> forest_tables({"one": booster}).margins(["one"], rows)[0].tolist() == booster.predict(rows, raw_score=True).tolist()
        True
        """
        rows = np.require(feature_rows(values, self.n_features), np.float32, ["C", "W"])
        asked = np.array([self.names.index(name) for name in names], dtype=np.int64)
        if threads <= 1 or len(rows) <= ROWS_PER_TASK:
            return self._sums(rows, asked)
        tasks = [rows[start : start + ROWS_PER_TASK] for start in range(0, len(rows), ROWS_PER_TASK)]
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(lambda task: self._sums(task, asked), tasks)), axis=1)

    def _sums(self, rows: npt.NDArray[np.float32], asked: npt.NDArray[np.int64]) -> Floats:
        result = np.empty((len(asked), len(rows)))
        if self.blocks is not None and len(rows) >= FEWEST_ROWS_IN_A_BLOCK:
            from scoring.scores.margin_block_kernel import add_margins_in_blocks  # numba: a second to import

            add_margins_in_blocks(rows, asked, self.model_starts, *self.blocks.arrays, result)
            return result
        from scoring.scores.margin_kernel import add_margins

        add_margins(
            rows,
            asked,
            self.model_starts,
            self.tree_root,
            self.tree_depth,
            self.node_question,
            self.node_threshold,
            self.node_left,
            self.node_value,
            result,
        )
        return result


def forest_tables(boosters: Mapping[str, lightgbm.Booster]) -> ForestTables:
    """The models that the arrays can hold.

    Parameters
    ----------
    boosters : mapping of str to lightgbm.Booster
        All over the same features.

    Examples
    --------
    >>> forest_tables({}).names
    ()
    """
    read = {name: trees for name, booster in boosters.items() if (trees := _trees(booster)) is not None}
    n_features = max((booster.num_feature() for booster in boosters.values()), default=0)
    nodes: list[Node] = []
    roots: list[int] = []
    depths: list[int] = []
    for trees in read.values():
        for tree in trees:
            roots.append(len(nodes))
            depths.append(_lay_out(tree, n_features, nodes))
    questions, thresholds, lefts, values = zip(*nodes, strict=True) if nodes else ((), (), (), ())
    return ForestTables(
        tuple(read),
        n_features,
        np.array([0, *accumulate(map(len, read.values()))], dtype=np.int64),
        np.array(roots, dtype=np.int32),
        np.array(depths, dtype=np.int32),
        np.array(questions, dtype=np.uint16),
        _rounded_down(np.array(thresholds, dtype=np.float64)),
        np.array(lefts, dtype=np.uint16),
        np.array(values, dtype=np.float64),
        _block_tables([tree for trees in read.values() for tree in trees]),
    )


def _block_tables(trees: Sequence[Tree]) -> BlockTables | None:
    if any(len(tree.leaf_value) > LEAVES_OF_A_WORD for tree in trees):
        return None
    questions: list[int] = []
    thresholds: list[float] = []
    kept: list[int] = []
    values: list[float] = []
    for tree in trees:
        _from_left_to_right(tree, 0 if tree.split_feature else ~0, len(values), questions, thresholds, kept, values)
    return BlockTables(
        np.array([0, *accumulate(len(tree.threshold) for tree in trees)], dtype=np.int64),
        np.array([0, *accumulate(len(tree.leaf_value) for tree in trees)], dtype=np.int64),
        np.array(questions, dtype=np.uint16),
        _rounded_down(np.array(thresholds, dtype=np.float64)),
        np.array(kept, dtype=np.uint64),
        np.array(values, dtype=np.float64),
    )


def _from_left_to_right(
    tree: Tree,
    node: int,
    first: int,
    questions: list[int],
    thresholds: list[float],
    kept: list[int],
    values: list[float],
) -> None:
    """Append a node and all below it; ``first`` is the place of the tree's first leaf."""
    if node < 0:
        values.append(tree.leaf_value[~node])
        return
    threshold, begins = tree.threshold[node], len(values) - first
    questions.append(tree.split_feature[node] << TURNS | _turns(threshold, tree.decision_type[node]))
    thresholds.append(threshold)
    place = len(kept)
    kept.append(0)
    _from_left_to_right(tree, tree.left_child[node], first, questions, thresholds, kept, values)
    ends = len(values) - first
    kept[place] = EVERY_LEAF ^ ((1 << ends) - (1 << begins))
    _from_left_to_right(tree, tree.right_child[node], first, questions, thresholds, kept, values)


def _rounded_down(thresholds: Floats) -> npt.NDArray[np.float32]:
    """The largest float32 that does not exceed each threshold."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def exact_forest_tables(boosters: Mapping[str, lightgbm.Booster], sample: npt.NDArray[np.float32]) -> ForestTables:
    """`forest_tables` of the models whose margins are LightGBM's to the bit on a sample, a row of zeros and one without any value."""
    found = forest_tables(boosters)
    if not found.names:
        return found
    edges = np.array([[0.0], [np.nan]], dtype=np.float32)
    rows = np.concatenate([sample.reshape(-1, found.n_features), np.repeat(edges, found.n_features, axis=1)])
    own = dict(zip(found.names, found.margins(found.names, rows), strict=True))
    same = {name: boosters[name] for name in found.names if _bits(own[name]) == _bits(predicted(boosters[name], rows))}
    return found if len(same) == len(found.names) else forest_tables(same)


def _bits(margins: Floats) -> bytes:
    return margins.tobytes()


def predicted(booster: lightgbm.Booster, rows: npt.NDArray[np.float32]) -> Floats:
    """Margins as LightGBM itself gives them.

    >>> import lightgbm
    >>> x = np.arange(60.0, dtype=np.float32).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> predicted(lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 3), x[:1]).shape
    (1,)
    """
    raw = booster.predict(rows, raw_score=True, num_threads=1, validate_features=False)
    return np.asarray(raw, dtype=np.float64)


def _trees(booster: lightgbm.Booster) -> tuple[Tree, ...] | None:
    """The trees, where they are small enough for the arrays."""
    try:
        trees = read_forest(booster).trees
    except BundleError:
        return None
    is_small = booster.num_feature() < MOST_FEATURES and all(len(tree.leaf_value) <= MOST_LEAVES for tree in trees)
    return trees if is_small else None


def _lay_out(tree: Tree, behind: int, nodes: list[Node]) -> int:
    """Append a tree's nodes, level by level, two children side by side; return how deep it is."""
    root, depth = len(nodes), -1
    level = [0 if tree.split_feature else ~0]
    while level:
        depth += 1
        first = len(nodes) - root
        below: list[int] = []
        for place, node in enumerate(level):
            if node < 0:
                nodes.append((behind << TURNS, 0.0, first + place, tree.leaf_value[~node]))
                continue
            question = tree.split_feature[node] << TURNS | _turns(tree.threshold[node], tree.decision_type[node])
            nodes.append((question, tree.threshold[node], first + len(level) + len(below), 0.0))
            below += (tree.left_child[node], tree.right_child[node])
        level = below
    return depth


def _turns(threshold: float, decision_type: int) -> int:
    nan_left, zero_turned = missing_turns(threshold, decision_type)
    return NAN_LEFT * nan_left + ZERO_TURNED * zero_turned
