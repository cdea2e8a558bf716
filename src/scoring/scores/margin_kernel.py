"""The inner loop of `ForestTables.margins`, compiled by numba: every model's trees for a block of rows at a time.

A walk takes as many steps as its tree is deep and has no branch, so that a processor works on several walks at once: who is at a
leaf stays there, because a leaf asks a column that lies behind the features and is smaller than any number. Trees are added up in
the order in which the model lists them, which is LightGBM's order, so the sums are LightGBM's to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.scores.compiled import compiled

BLOCK = 32
NAN_LEFT, ZERO_TURNED, TURNS = 1, 2, 2
"""Bits of a node's question that say where missing values and zeros go, and how many they are; the rest is the column."""
ZERO = float(np.float32(1e-35))
"""LightGBM reads anything no further from nought than this as zero."""

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Shorts = npt.NDArray[np.uint16]
Numbers = npt.NDArray[np.int32]


def _add_margins(
    rows: Singles,
    models: npt.NDArray[np.int64],
    model_starts: npt.NDArray[np.int64],
    tree_root: Numbers,
    tree_depth: Numbers,
    node_question: Shorts,
    node_threshold: Singles,
    node_left: Shorts,
    node_value: Floats,
    result: Floats,
) -> None:
    """Fill ``result`` (one line per model asked for) with the sum of the leaves that each row reaches."""
    n_features = rows.shape[1]
    values = np.empty((BLOCK, n_features + 1), np.float32)
    values[:, n_features] = -np.inf
    for start in range(0, rows.shape[0], BLOCK):
        n = min(BLOCK, rows.shape[0] - start)
        for r in range(n):
            for f in range(n_features):
                value = rows[start + r, f]
                values[r, f] = np.float32(0.0) if abs(value) <= ZERO else value
        for place in range(models.size):
            for r in range(n):
                result[place, start + r] = 0.0
            for tree in range(model_starts[models[place]], model_starts[models[place] + 1]):
                root, depth = tree_root[tree], tree_depth[tree]
                for r in range(n):
                    node = root
                    for _ in range(depth):
                        question = node_question[node]
                        value = values[r, question >> TURNS]
                        left = (value <= node_threshold[node]) | ((question & NAN_LEFT != 0) & (value != value))
                        left ^= (question & ZERO_TURNED != 0) & (value == 0.0)
                        node = root + node_left[node] + (not left)
                    result[place, start + r] += node_value[node]


_places, _numbers, _shorts, _singles = "int64[::1]", "int32[::1]", "uint16[::1]", "float32[::1]"
add_margins = compiled(
    _add_margins,
    f"void(float32[:,::1], {_places}, {_places}, {_numbers}, {_numbers}, {_shorts}, {_singles}, {_shorts}, float64[::1], "
    "float64[:,::1])",
)
