"""Cut a tree into groups of leaves whose conditions fit in one byte.

A group is a subtree. Its byte has one bit for every distinct feature on the path to the subtree (set when *all* the
splits on that feature send the row towards it) and one for every split inside (set when the row goes left there).
Every leaf's question "does this feature hold?" is then a comparison of some of those bits, see `Term`.

Why groups and not single leaves: neighbours share most of their path, so a group of three or four leaves needs hardly
more bits than one leaf, and a row costs a third of the additions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scoring.scores.tree_text import Tree

GROUP_BITS = 7
"""Subtrees with more bits than this are cut further; a single leaf may have up to 8."""

Step = tuple[int, bool]
"""A split on a path, and whether the path turns left there."""


@dataclass(frozen=True, slots=True)
class Term:
    """One distinct feature on the path of one leaf.

    The feature holds for a row with answers ``bits`` when ``bits & care == want``. ``share`` is the part of the
    training rows that its splits let through, one after another; ``column`` is its place among the group's features.
    """

    share: float
    care: int
    want: int
    column: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf's value and the features on its path."""

    value: float
    terms: list[Term]


@dataclass(frozen=True, slots=True)
class Condition:
    """A split that a row's byte depends on: ``bit`` falls when the row does not turn as ``left`` says."""

    split: int
    left: bool
    bit: int


@dataclass(frozen=True, slots=True)
class Group:
    """A subtree: the features its leaves are explained by, the conditions of its byte, its leaves."""

    features: list[int]
    n_bits: int
    conditions: list[Condition]
    leaves: list[Leaf]


def groups(tree: Tree) -> list[Group]:
    """The groups of a tree, left to right; none for a tree of one leaf, which explains nothing.

    >>> stump = Tree([4], [0.5], [2], [-1], [-2], [100], [-0.1, 0.2], [60, 40])
    >>> (group,) = groups(stump)
    >>> group.features, group.conditions
    ([4], [Condition(split=0, left=True, bit=1)])
    >>> group.leaves[1]
    Leaf(value=0.2, terms=[Term(share=0.4, care=1, want=0, column=0)])
    """
    return list(_groups_below(tree, [], 0)) if tree.split_feature else []


def depth(tree: Tree) -> int:
    """Splits on the longest path.

    >>> depth(Tree([4], [0.5], [2], [-1], [-2], [100], [-0.1, 0.2], [60, 40]))
    1
    """
    longest, level = 0, [0] if tree.split_feature else []
    while level:
        longest += 1
        level = [child for split in level for child in _children(tree, split) if child >= 0]
    return longest


def _groups_below(tree: Tree, path: list[Step], node: int) -> Iterator[Group]:
    splits = _splits_below(tree, node)
    path_features = list(dict.fromkeys(tree.split_feature[split] for split, _ in path))
    if node < 0 or len(path_features) + len(splits) <= GROUP_BITS:
        yield _group(tree, path, path_features, node, splits)
    else:
        yield from _groups_below(tree, [*path, (node, True)], tree.left_child[node])
        yield from _groups_below(tree, [*path, (node, False)], tree.right_child[node])


def _group(tree: Tree, path: list[Step], path_features: list[int], root: int, splits: list[int]) -> Group:
    feature_bits = {feature: 1 << place for place, feature in enumerate(path_features)}
    split_bits = {split: 1 << place for place, split in enumerate(splits, len(path_features))}
    features = list(dict.fromkeys(path_features + [tree.split_feature[split] for split in splits]))
    columns = {feature: column for column, feature in enumerate(features)}
    on_path = [Condition(split, left, feature_bits[tree.split_feature[split]]) for split, left in path]
    inside = [Condition(split, True, bit) for split, bit in split_bits.items()]
    leaves = [
        Leaf(tree.leaf_value[~leaf], _terms(tree, path, below, leaf, feature_bits, split_bits, columns))
        for leaf, below in _paths_below(tree, root)
    ]
    return Group(features, len(feature_bits) + len(split_bits), on_path + inside, leaves)


def _terms(
    tree: Tree,
    path: list[Step],
    below: list[Step],
    leaf: int,
    feature_bits: dict[int, int],
    split_bits: dict[int, int],
    columns: dict[int, int],
) -> list[Term]:
    """The distinct features on the way to one leaf; repeated features are merged, as TreeSHAP does."""
    steps = path + below
    reached = [split for split, _ in steps[1:]] + [leaf]
    merged: dict[int, tuple[float, int, int]] = {}
    for (split, left), child in zip(steps, reached, strict=True):
        feature, bit = tree.split_feature[split], split_bits.get(split, 0)
        on_path = feature_bits.get(feature, 0)
        share, care, want = merged.get(feature, (1.0, on_path, on_path))
        merged[feature] = share * (tree.count(child) / tree.count(split)), care | bit, want | bit if left else want
    return [Term(*term, columns[feature]) for feature, term in merged.items()]


def _paths_below(tree: Tree, node: int) -> Iterator[tuple[int, list[Step]]]:
    """Every leaf below a node, left to right, with the steps from the node to it."""
    if node < 0:
        yield node, []
        return
    for left, child in zip((True, False), _children(tree, node), strict=True):
        for leaf, below in _paths_below(tree, child):
            yield leaf, [(node, left), *below]


def _splits_below(tree: Tree, node: int) -> list[int]:
    """The splits of the subtree at a node, the node first; empty for a leaf."""
    if node < 0:
        return []
    return [node, *(split for child in _children(tree, node) for split in _splits_below(tree, child))]


def _children(tree: Tree, split: int) -> tuple[int, int]:
    return tree.left_child[split], tree.right_child[split]
