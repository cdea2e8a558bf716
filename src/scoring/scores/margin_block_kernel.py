"""Margins of many rows, compiled by numba: 64 rows turned on their side, so that every innermost loop runs over neighbouring values.

No row walks a tree. Each tree's leaves are numbered from left to right and stand as bits of one word a row; a split that sends a row to
the right strikes out the leaves on its left, and when all splits were asked, the first leaf that is left is the row's. Sums are
taken in the order of `scoring.scores.margin_kernel`, so the bits are the same.

References: Lucchese et al.: QuickScorer, a fast algorithm to rank documents with additive ensembles of regression trees, SIGIR 2015.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba.cpython.unsafe.numbers import trailing_zeros

from scoring.scores.compiled import compiled, inlined

BLOCK = 64
EVERY_LEAF = np.uint64(0xFFFFFFFFFFFFFFFF)
NAN_LEFT, ZERO_TURNED, TURNS = 1, 2, 2
ZERO = float(np.float32(1e-35))

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]


@inlined
def _strike_out(values: Singles, threshold: np.float32, question: int, kept: np.uint64, leaves: Words) -> None:
    """Keep only some leaves of the rows that go right."""
    if question & ZERO_TURNED:
        for r in range(BLOCK):
            left = (values[r] <= threshold) | ((question & NAN_LEFT != 0) & (values[r] != values[r]))
            left ^= values[r] == 0.0
            leaves[r] = leaves[r] if left else leaves[r] & kept
    elif question & NAN_LEFT:
        for r in range(BLOCK):
            leaves[r] = leaves[r] & kept if values[r] > threshold else leaves[r]
    else:
        for r in range(BLOCK):
            leaves[r] = leaves[r] if values[r] <= threshold else leaves[r] & kept


def _add_margins_in_blocks(
    rows: Singles,
    models: npt.NDArray[np.int64],
    model_starts: npt.NDArray[np.int64],
    split_starts: npt.NDArray[np.int64],
    leaf_starts: npt.NDArray[np.int64],
    split_question: npt.NDArray[np.uint16],
    split_threshold: Singles,
    split_kept: Words,
    leaf_value: Floats,
    result: Floats,
) -> None:
    """Fill ``result`` (one line per model asked for) with the sum of the leaves that each row reaches."""
    values = np.zeros((rows.shape[1], BLOCK), np.float32)
    leaves = np.empty(BLOCK, np.uint64)
    sums = np.empty(BLOCK)
    for start in range(0, rows.shape[0], BLOCK):
        n = min(BLOCK, rows.shape[0] - start)
        for r in range(n):
            for f in range(rows.shape[1]):
                value = rows[start + r, f]
                values[f, r] = np.float32(0.0) if abs(value) <= ZERO else value
        for place in range(models.size):
            sums[:] = 0.0
            for tree in range(model_starts[models[place]], model_starts[models[place] + 1]):
                leaves[:] = EVERY_LEAF
                for split in range(split_starts[tree], split_starts[tree + 1]):
                    question = split_question[split]
                    _strike_out(values[question >> TURNS], split_threshold[split], question, split_kept[split], leaves)
                first = leaf_starts[tree]
                for r in range(BLOCK):
                    sums[r] += leaf_value[first + np.int64(trailing_zeros(leaves[r]))]  # type: ignore[call-arg]
            result[place, start : start + n] = sums[:n]


_places, _singles, _floats = "int64[::1]", "float32[::1]", "float64[::1]"
add_margins_in_blocks = compiled(
    _add_margins_in_blocks,
    f"void(float32[:,::1], {_places}, {_places}, {_places}, {_places}, uint16[::1], {_singles}, uint64[::1], {_floats}, "
    "float64[:,::1])",
)
