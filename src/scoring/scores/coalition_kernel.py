"""The inner loops of `coalitions`, compiled by numba: margins of all coalitions of groups, and their Shapley values.

A leaf is reached by the hybrid of a row and a reference (groups of the coalition from the row, the others from the
reference) exactly when the coalition avoids the groups whose conditions the row fails and holds those that the reference
fails. With a the first set and h the second, the leaf's value goes to all S with S & a = 0 and S | h = S, and

    [S avoids a] = sum over T inside a of (-1)^|T| [S holds T],

so it is scattered to the sets h | T and one pass over the groups adds every set to its supersets. Sets are the bits of
an integer. Everything the compiled code depends on stands in this file, because numba's cache on disk looks at no other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.scores.compiled import compiled, inlined

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


ZERO = float(np.float32(1e-35))
"""LightGBM reads anything no further from nought than this as zero."""


MAGIC = np.uint64(0x03F79D71B4CB0A89)
"""A de Bruijn number: the six highest bits of its product with a power of two tell which power it was."""
POSITION = np.zeros(64, np.int64)
for _place in range(64):
    POSITION[int(MAGIC) * (1 << _place) % (1 << 64) >> 58] = _place


@inlined
def _goes_left(value: float, threshold: float, nan_left: int, zero_turned: int) -> int:
    if value != value:
        return nan_left
    if -ZERO <= value <= ZERO:
        value = 0.0
    left = 1 if value <= threshold else 0
    return 1 - left if zero_turned and value == 0.0 else left


def failures(
    rows: Singles,
    split_feature: Places,
    split_threshold: Floats,
    split_nan_left: Bytes,
    split_zero_turned: Bytes,
    split_group: Places,
    path_starts: Places,
    path_split: Places,
    path_left: Bytes,
    failed: npt.NDArray[np.int32],
) -> None:
    """Fill ``failed[row, leaf]`` with the groups that have a condition on the leaf's path which the row does not meet."""
    left = np.empty(split_feature.size, np.uint8)
    for row in range(rows.shape[0]):
        for split in range(split_feature.size):
            value = float(rows[row, split_feature[split]])
            left[split] = _goes_left(value, split_threshold[split], split_nan_left[split], split_zero_turned[split])
        for leaf in range(path_starts.size - 1):
            groups = 0
            for place in range(path_starts[leaf], path_starts[leaf + 1]):
                if left[path_split[place]] != path_left[place]:
                    groups |= 1 << split_group[path_split[place]]
            failed[row, leaf] = groups


def margins(
    row_failed: npt.NDArray[np.int32],
    reference_failed: npt.NDArray[np.int32],
    meeting: npt.NDArray[np.uint64],
    leaf_value: Floats,
    n_groups: int,
    found: Floats,
) -> None:
    """Fill ``found[coalition, reference]`` with the model's margin for every hybrid of one row and each reference.

    ``reference_failed`` has one row per leaf and one column per reference, at most 64; ``meeting[leaf, group]`` holds, as bits,
    the references that meet all conditions of the group on the leaf's path.
    """
    found[:] = 0.0
    n_references = found.shape[1]
    one, none = np.uint64(1), np.uint64(0)
    everybody = ~none if n_references == 64 else (one << np.uint64(n_references)) - one
    for leaf in range(leaf_value.size):
        avoid, value = row_failed[leaf], leaf_value[leaf]
        reached = everybody
        for group in range(n_groups):
            if avoid >> group & 1:
                reached &= meeting[leaf, group]
        while reached:
            lowest = reached & (~reached + one)
            reached ^= lowest
            reference = POSITION[np.int64((lowest * MAGIC) >> np.uint64(58))]
            hold = reference_failed[leaf, reference]
            found[hold, reference] += value
            inside = avoid
            while inside:  # the non-empty sets inside avoid, in falling order
                odd, rest = 0, inside
                while rest:
                    odd ^= 1
                    rest &= rest - 1
                found[hold | inside, reference] += -value if odd else value
                inside = (inside - 1) & avoid
    for group in range(n_groups):
        bit = 1 << group
        for coalition in range(found.shape[0]):
            if coalition & bit:
                for reference in range(n_references):
                    found[coalition, reference] += found[coalition ^ bit, reference]


def shapley(worth: Floats, weights: Floats, found: Floats) -> None:
    """Fill ``found[group, game]`` with the Shapley value of each group in the games ``worth[coalition, game]``.

    ``weights[s]`` is s! (G - 1 - s)! / G! for a coalition of s groups without the one in question.
    """
    found[:] = 0.0
    sizes = np.zeros(worth.shape[0], np.int64)
    for coalition in range(1, worth.shape[0]):
        sizes[coalition] = sizes[coalition >> 1] + (coalition & 1)
    for group in range(found.shape[0]):
        bit = 1 << group
        for coalition in range(worth.shape[0]):
            if not coalition & bit:
                weight = weights[sizes[coalition]]
                for game in range(found.shape[1]):
                    found[group, game] += weight * (worth[coalition | bit, game] - worth[coalition, game])


find_failures = compiled(
    failures,
    "void(float32[:,::1], int64[::1], float64[::1], uint8[::1], uint8[::1], int64[::1], int64[::1], int64[::1], uint8[::1], "
    "int32[:,::1])",
)
coalition_margins = compiled(
    margins, "void(int32[::1], int32[:,::1], uint64[:,::1], float64[::1], int64, float64[:,::1])"
)
shapley_values = compiled(shapley, "void(float64[:,::1], float64[::1], float64[:,::1])")
