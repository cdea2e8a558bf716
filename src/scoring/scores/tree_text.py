"""Read the trees of a LightGBM booster: its own text, taken apart, nothing computed.

Why the text and not ``dump_model``: the text carries thresholds and leaf values with 17 digits, so they come back bit
for bit, and it is read ten times faster. Models whose contributions cannot be tabled (`leaf_tables` says how that
works) are refused here, with what to change in the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.errors import BundleError

if TYPE_CHECKING:
    import lightgbm

CATEGORICAL = 1
DEFAULT_LEFT = 2
MISSING_TYPE_SHIFT = 2
MISSING_ZERO, MISSING_NAN = 1, 2

OR_SLOWLY = ", or explain it with pred_contrib, which is many times slower"


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as LightGBM numbers it: splits from 0, a child below zero is the leaf ``~child``.

    Leaf values include the shrinkage and, in the first tree, the starting value of the boosting.
    """

    split_feature: list[int]
    threshold: list[float]
    decision_type: list[int]
    left_child: list[int]
    right_child: list[int]
    internal_count: list[int]
    leaf_value: list[float]
    leaf_count: list[int]

    def count(self, node: int) -> int:
        """Training rows that reached a split (``node >= 0``) or a leaf (``node < 0``)."""
        return self.internal_count[node] if node >= 0 else self.leaf_count[~node]


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees of one booster and the number of features it was trained on."""

    trees: tuple[Tree, ...]
    n_features: int


def read_forest(booster: lightgbm.Booster) -> Forest:
    """The trees that ``booster.predict`` uses (up to the best iteration where there was early stopping).

    Parameters
    ----------
    booster : lightgbm.Booster
        One margin per row: regression, binary or cross-entropy objective.

    Returns
    -------
    Forest
        One tree per boosting round; a round that found nothing to split is a tree of one leaf.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: several margins per row, averaged (random forest) trees, categorical splits, linear
        leaves, or a split that no training row reached.

    Examples
    --------
    >>> import lightgbm, numpy
    >>> x = numpy.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> booster = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 3)
    >>> forest = read_forest(booster)
    >>> len(forest.trees), forest.n_features, forest.trees[0].split_feature
    (3, 1, [0])
    """
    text = booster.model_to_string().partition("\nend of trees")[0]
    head, *blocks = text.split("\nTree=")
    about = _fields(head)
    if int(about["num_tree_per_iteration"]) != 1:
        raise refusal("has several margins per row", "Train a regression, binary or cross_entropy objective")
    if "average_output" in about:
        raise refusal("averages its trees (boosting=rf)", "Train with boosting=gbdt")
    trees = tuple(_tree(number, _fields(block)) for number, block in enumerate(blocks))
    return Forest(trees, int(about["max_feature_idx"]) + 1)


def _fields(block: str) -> dict[str, str]:
    """``name=value`` lines; a bare word (``average_output``) is a name without a value."""
    return {name: value for name, _, value in (line.partition("=") for line in block.splitlines())}


def _tree(number: int, fields: dict[str, str]) -> Tree:
    if int(fields["num_cat"]):
        remedy = f"Give ordered numbers (WoE, counts) instead of categories{OR_SLOWLY}"
        raise refusal(f"splits tree {number} on a category", remedy)
    if fields.get("is_linear", "0") != "0":
        raise refusal(f"has linear leaves in tree {number}", "Train with linear_tree=false")
    tree = Tree(
        split_feature=_integers(fields["split_feature"]),
        threshold=_floats(fields["threshold"]),
        decision_type=_integers(fields["decision_type"]),
        left_child=_integers(fields["left_child"]),
        right_child=_integers(fields["right_child"]),
        internal_count=_integers(fields["internal_count"]),
        leaf_value=_floats(fields["leaf_value"]),
        leaf_count=_integers(fields.get("leaf_count", "")),
    )
    if min(tree.internal_count + tree.leaf_count, default=1) <= 0:
        remedy = f"Train with min_data_in_leaf of at least 1{OR_SLOWLY}"
        raise refusal(f"has a node without training rows in tree {number}", remedy)
    return tree


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _floats(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def refusal(seen: str, remedy: str) -> BundleError:
    """The error for a model that leaf tables cannot hold.

    >>> print(refusal("has linear leaves in tree 3", "Train with linear_tree=false"))
    The model has linear leaves in tree 3, so exact contributions cannot be read from leaf tables. Train with \
linear_tree=false.
    """
    return BundleError(
        f"The model {seen}, so exact contributions cannot be read from leaf tables. {remedy}.",
        field="booster",
        got=seen,
        expected="one margin per row, numerical splits, constant leaves, depth of at most 8",
    )
