"""The Merkle tree over all records (RFC 6962): how it grows, its root, and the two proofs that need no other record.

A record's leaf is the hash of its link in the chain, so the tree covers body, place and index columns alike. A tree of ``n``
leaves stays the beginning of every later one: a root that was kept elsewhere fixes everything before it. *Inclusion* shows
that a record is under a root with a handful of hashes; *consistency* shows that an older tree is the beginning of a newer one.

Leaves and inner nodes are hashed with different first bytes (0x00, 0x01), so neither passes for the other. Subtrees of 256
leaves and more are kept when they are complete, which makes a proof cheap in a ledger of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, Protocol

TILE_LEVEL: Final = 8
"""Nodes of this level (256 leaves) and above are kept; those below are computed from the leaves."""

EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""

Node = tuple[int, int, bytes]
"""Level, place from the left, hash."""


def leaf_hash(link: bytes) -> bytes:
    """The leaf of a record, given the hash that chains it.

    >>> leaf_hash(bytes(32)).hex()[:16]
    '7f9c9e31ac8256ca'
    """
    return sha256(b"\x00" + link).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node over two others.

    >>> node_hash(bytes(32), bytes(32)).hex()[:16]
    'ae0798d0ecaed2b7'
    """
    return sha256(b"\x01" + left + right).digest()


class Tree(Protocol):
    """What proofs read: hashes of leaves, and of complete subtrees from `TILE_LEVEL` up."""

    def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """Leaf hashes from ``start`` (0 for the first record) up to, not including, ``end``."""

    def node(self, level: int, place: int) -> bytes:
        """The hash over the leaves ``place * 2**level`` to ``(place + 1) * 2**level``."""


class GrowingTree:
    """The right edge of a tree: enough to add leaves and to state the root.

    Parameters
    ----------
    size : int
        Leaves so far.
    peaks : sequence of bytes
        Hashes of the complete subtrees that make it up, largest first, as :func:`peaks_of` gives them.

    Examples
    --------
    >>> tree = GrowingTree()
    >>> kept = [node for number in range(300) for node in tree.add(leaf_hash(bytes([number % 256])))]
    >>> tree.size, [(level, place) for level, place, _ in kept]
    (300, [(8, 0)])
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def add(self, leaf: bytes) -> list[Node]:
        """Add a leaf; give the complete nodes to keep that it finished."""
        level, place, finished = 0, self.size, []
        self.size += 1
        while place & 1:
            leaf = sha256(b"\x01" + self._peaks.pop() + leaf).digest()
            level, place = level + 1, place >> 1
            if level >= TILE_LEVEL:
                finished.append((level, place, leaf))
        self._peaks.append(leaf)
        return finished

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return _folded(self._peaks)


def _folded(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    *left, root = peaks
    for peak in reversed(left):
        root = node_hash(peak, root)
    return root


def peaks_of(tree: Tree, size: int) -> list[bytes]:
    """The complete subtrees that make up the first ``size`` leaves, largest first."""
    peaks, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append(_hash_of(tree, start, start + (1 << level)))
            start += 1 << level
    return peaks


def root_of(tree: Tree, size: int) -> bytes:
    """The root over the first ``size`` leaves."""
    return _folded(peaks_of(tree, size))


def inclusion_proof(tree: Tree, place: int, size: int) -> list[bytes]:
    """The hashes that lead from the leaf at ``place`` (from 0) to the root over ``size`` leaves, nearest first."""
    if not 0 <= place < size:
        raise IndexError(f"leaf {place} is not among the first {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _half(end - start)
        if place < middle:
            path.append(_hash_of(tree, middle, end))
            end = middle
        else:
            path.append(_hash_of(tree, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(tree: Tree, old: int, new: int) -> list[bytes]:
    """The hashes that show the first ``old`` leaves to be the beginning of the first ``new``."""
    if not 0 < old <= new:
        raise IndexError(f"a tree of {old} leaves is not the beginning of one of {new}")
    path: list[bytes] = []
    start, end, is_whole = 0, new, True
    while old != end:
        middle = start + _half(end - start)
        if old <= middle:
            path.append(_hash_of(tree, middle, end))
            end = middle
        else:
            path.append(_hash_of(tree, start, middle))
            start, is_whole = middle, False
    return ([] if is_whole else [_hash_of(tree, start, end)]) + path[::-1]


def _half(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _hash_of(tree: Tree, start: int, end: int) -> bytes:
    count = end - start
    level = count.bit_length() - 1
    if count == 1 << level and level >= TILE_LEVEL:
        return tree.node(level, start >> level)
    if level < TILE_LEVEL:
        edge = GrowingTree()
        for leaf in tree.leaves(start, end):
            edge.add(leaf)
        return edge.root()
    middle = start + _half(count)
    return node_hash(_hash_of(tree, start, middle), _hash_of(tree, middle, end))


def is_included(leaf: bytes, place: int, size: int, path: Iterable[bytes], root: bytes) -> bool:
    """Whether a proof leads from a leaf to a root (RFC 9162, 2.1.3.2).

    Examples
    --------
    >>> leaves = [leaf_hash(bytes([number])) for number in range(3)]
    >>> tree = GrowingTree()
    >>> for leaf in leaves: _ = tree.add(leaf)
    >>> is_included(leaves[2], 2, 3, [node_hash(leaves[0], leaves[1])], tree.root())
    True
    >>> is_included(leaves[1], 2, 3, [node_hash(leaves[0], leaves[1])], tree.root())
    False
    """
    if not 0 <= place < size:
        return False
    own, last, seen = place, size - 1, leaf
    for other in path:
        if last == 0:
            return False
        if own & 1 or own == last:
            seen = node_hash(other, seen)
            while not own & 1 and own:
                own, last = own >> 1, last >> 1
        else:
            seen = node_hash(seen, other)
        own, last = own >> 1, last >> 1
    return last == 0 and seen == root


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows the older tree to be the beginning of the newer (RFC 9162, 2.1.4.2).

    Examples
    --------
    >>> is_consistent(2, 2, EMPTY_ROOT, EMPTY_ROOT, []), is_consistent(2, 2, EMPTY_ROOT, bytes(32), [])
    (True, False)
    """
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new or not path:
        return False
    path = [old_root, *path] if old & (old - 1) == 0 else list(path)
    own, last = old - 1, new - 1
    while own & 1:
        own, last = own >> 1, last >> 1
    seen_old = seen_new = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if own & 1 or own == last:
            seen_old, seen_new = node_hash(other, seen_old), node_hash(other, seen_new)
            while not own & 1 and own:
                own, last = own >> 1, last >> 1
        else:
            seen_new = node_hash(seen_new, other)
        own, last = own >> 1, last >> 1
    return last == 0 and seen_old == old_root and seen_new == new_root
