"""Segments: willing or not, able or not, told only where the model is sure enough and the two scores are really two.

Willing means *as willing as others of the same ability*: adjusted willingness is log-odds w less their isotonic expectation given
ability, so that someone is not called unwilling for being short of money. It is used here only, never in the money. For the half
that pays nothing, *able* is extrapolated from payers who look alike. Where willingness and ability correlate above 0.6 in a portfolio
they cannot be told apart there, and every segment is undetermined. Sure enough means above 0.6, and above more than that where
evidence is missing (`scoring.scores.evidence.required_certainty`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring.scores.evidence import SEGMENT_THRESHOLD
from scoring.scores.log_odds import probability
from scoring.vocabulary import Evidence, Segment

Floats = npt.NDArray[np.float64]
CORRELATION_ALARM: Final = 0.6
"""Above this correlation the two scores are not separately interpretable."""
_CELLS: Final = (Segment.WILLING_ABLE, Segment.WILLING_UNABLE, Segment.UNWILLING_ABLE, Segment.UNWILLING_UNABLE)
_NAMES: Final = np.array([*(str(cell) for cell in _CELLS), str(Segment.UNDETERMINED)], dtype=object)


@dataclass(frozen=True)
class AdjustedWillingness:
    """The isotonic expectation of log-odds w given ability, as knots, and the average of log-odds w.

    Attributes
    ----------
    ability, expected : tuple of float
        Knots; constant beyond the first and last.
    average : float
        Mean log-odds w of the queue: what an account exactly as willing as its equals is credited with.

    Examples
    --------
    >>> fitted = AdjustedWillingness((0.2, 0.8), (-1.0, 1.0), 0.0)
    >>> fitted.adjusted(np.array([0.0, 0.0]), np.array([0.2, 0.8])).tolist()
    [1.0, -1.0]
    >>> fitted.willing(np.array([1.0, 0.0])).round(3).tolist()
    [0.731, 0.5]
    """

    ability: tuple[float, ...]
    expected: tuple[float, ...]
    average: float

    def adjusted(self, margin: Floats, ability: Floats) -> Floats:
        """Log-odds w less what is expected of accounts of that ability."""
        return np.asarray(margin - np.interp(ability, self.ability, self.expected))

    def willing(self, adjusted: Floats) -> Floats:
        """Probability of a token payment if the ability were average."""
        return probability(adjusted + self.average)


NOT_ADJUSTED: Final = AdjustedWillingness((0.0,), (0.0,), 0.0)
"""Of a bundle that states none: willingness as it is."""


def adjusted_from_json(raw: Mapping[str, Any] | None) -> AdjustedWillingness:
    """The adjustment that a bundle's manifest states; none where it states none.

    >>> adjusted_from_json({"ability": [0.5], "expected": [0.1], "average": 0.2}).average
    0.2
    """
    if raw is None:
        return NOT_ADJUSTED
    return AdjustedWillingness(tuple(raw["ability"]), tuple(raw["expected"]), float(raw["average"]))


def segments(
    willing: Floats,
    full: Floats,
    evidence_state: npt.NDArray[np.object_],
    required: Floats | float = SEGMENT_THRESHOLD,
    *,
    alarm: bool = False,
) -> npt.NDArray[np.object_]:
    """The cell of willing x able whose probability exceeds what is required; undetermined otherwise, or without enough evidence.

    Parameters
    ----------
    willing : array (n_accounts,)
        Probability of being willing, for the ability it has.
    full : array (n_accounts,)
        Probability of curing in full given a payment: able. For the unwilling half this extrapolates from payers.
    evidence_state : array of str
    required : array or float
        At least 0.6; more where evidence is missing.
    alarm : bool
        The two scores cannot be told apart in this portfolio, so no segment is told.

    Examples
    --------
    >>> enough = np.array(["sufficient"] * 3, dtype=object)
    >>> segments(np.array([0.9, 0.9, 0.5]), np.array([0.9, 0.1, 0.5]), enough).tolist()
    ['willing_able', 'willing_unable', 'undetermined']
    >>> segments(np.array([0.9]), np.array([0.9]), enough[:1], 0.85).tolist()
    ['undetermined']
    >>> segments(np.array([0.9]), np.array([0.9]), enough[:1], alarm=True).tolist()
    ['undetermined']
    """
    cells = np.stack([willing * full, willing * (1 - full), (1 - willing) * full, (1 - willing) * (1 - full)])
    sure = (
        (cells.max(axis=0) > np.maximum(required, SEGMENT_THRESHOLD))
        & (evidence_state == str(Evidence.SUFFICIENT))
        & (not alarm)
    )
    return np.asarray(_NAMES[np.where(sure, cells.argmax(axis=0), len(_CELLS))], dtype=object)
