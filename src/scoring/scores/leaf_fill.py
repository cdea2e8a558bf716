"""The inner loops of `leaf_tables`, compiled by numba: the Shapley values of every leaf for every byte of its group.

The formulas and their letters (z, C, W) are in `leaf_tables`. Sets of features are the bits of an integer. Everything
the compiled code depends on stands in this file, because numba's cache on disk looks at no other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.scores.compiled import compiled, inlined

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def fill(
    entry_starts: Places,
    n_columns: Places,
    leaf_starts: Places,
    leaf_value: Floats,
    term_starts: Places,
    share: Floats,
    care: Places,
    want: Places,
    column: Places,
    weights: Floats,
    entries: Floats,
) -> None:
    """Add every leaf's contributions to the table of its group.

    ``weights[d, s]`` is the Shapley weight of a coalition of s among d features, zero where s = d; a leaf may have as
    many features as it has rows after the first.
    """
    most = weights.shape[0] - 1
    within = np.empty(1 << most)
    outside = np.empty(1 << most)
    polynomial = np.empty((1 << most, most + 1))
    for group in range(n_columns.size):
        width = n_columns[group]
        n_lines = (entry_starts[group + 1] - entry_starts[group]) // width
        for leaf in range(leaf_starts[group], leaf_starts[group + 1]):
            first, end = term_starts[leaf], term_starts[leaf + 1]
            shares, cares, wants, columns = share[first:end], care[first:end], want[first:end], column[first:end]
            _weigh_coalitions(shares, weights[end - first], polynomial, within)
            _multiply_outside(shares, outside)
            for byte in range(n_lines):
                holding = _holding(byte, cares, wants)
                line = entry_starts[group] + byte * width
                for j in range(end - first):
                    part = _contribution(j, shares[j], holding, within, outside)
                    entries[line + columns[j]] += leaf_value[leaf] * part


@inlined
def _weigh_coalitions(shares: Floats, weights: Floats, polynomial: Floats, within: Floats) -> None:
    """W of every set: the coefficients of prod (z + x) over the set, weighted by their power."""
    polynomial[0, :] = 0.0
    polynomial[0, 0] = 1.0
    for j in range(shares.size):
        for rest in range(1 << j):
            chosen = rest | 1 << j
            polynomial[chosen, 0] = polynomial[rest, 0] * shares[j]
            for power in range(1, polynomial.shape[1]):
                polynomial[chosen, power] = polynomial[rest, power] * shares[j] + polynomial[rest, power - 1]
    for chosen in range(1 << shares.size):
        within[chosen] = 0.0
        for power in range(shares.size):
            within[chosen] += polynomial[chosen, power] * weights[power]


@inlined
def _multiply_outside(shares: Floats, outside: Floats) -> None:
    """C of every set: the product of the shares that are not in it."""
    for chosen in range(1 << shares.size):
        outside[chosen] = 1.0
        for j in range(shares.size):
            if not chosen >> j & 1:
                outside[chosen] *= shares[j]


@inlined
def _holding(byte: int, care: Places, want: Places) -> int:
    """The set of a leaf's features that hold for a row with this byte."""
    holding = 0
    for j in range(care.size):
        if byte & care[j] == want[j]:
            holding |= 1 << j
    return holding


@inlined
def _contribution(j: int, share: float, holding: int, within: Floats, outside: Floats) -> float:
    """What feature j adds to a leaf of value one."""
    if holding >> j & 1:
        return float((1.0 - share) * outside[holding] * within[holding ^ 1 << j])
    return float(-share * outside[holding | 1 << j] * within[holding])


_places, _floats = "int64[::1]", "float64[::1]"
_leaves = [_places, _floats]
_terms = [_places, _floats, _places, _places, _places]
_arguments = [_places, _places, *_leaves, *_terms, "float64[:,::1]", _floats]
fill_tables = compiled(fill, f"void({', '.join(_arguments)})")
