"""Log-odds to probabilities, the same bits whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_LANES = 16


def probability(margin: Floats) -> Floats:
    """Log-odds to probability, element by element with the same bits whatever the length of the array.

    numpy's vectorised exp may differ in the last bit between its vector lanes and its remainder, so the array is padded
    to whole lanes and every element takes the same path.

    Examples
    --------
    >>> float(probability(np.array([0.0]))[0])
    0.5
    """
    padded = np.zeros(-(-max(margin.size, 1) // _LANES) * _LANES)
    padded[: margin.size] = margin.reshape(-1)
    return np.asarray(1.0 / (1.0 + np.exp(-padded)))[: margin.size].reshape(margin.shape)
