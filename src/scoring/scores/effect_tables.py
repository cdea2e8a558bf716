"""Shifts on the log-odds as flat arrays, built once per bundle, so that all of an account's are weighed in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scoring.features.registry import FEATURE_NAMES

if TYPE_CHECKING:
    from scoring.scores.effects import Modifier, Shift

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
OF_MARGIN = -1
"""Column of a factor that reads the log-odds of the logged score instead of a feature."""


@dataclass(frozen=True, slots=True)
class EffectTables:
    """Some shifts, in the order given; ``arrays`` as the kernel takes them."""

    n_shifts: int
    arrays: tuple[npt.NDArray[Any], ...]

    def weigh(self, values: npt.NDArray[np.float32], margin: Floats) -> tuple[Floats, Floats]:
        """Amount and standard error of every shift, a line each: what `Shift.at` gives, to the bit."""
        from scoring.scores.effects_kernel import weigh_rows  # numba: a second to import

        amounts, errors = np.empty((self.n_shifts, len(margin))), np.empty((self.n_shifts, len(margin)))
        rows = np.require(values, np.float32, ["C", "W"])
        weigh_rows(rows, np.require(margin, np.float64, ["C", "W"]), *self.arrays, amounts, errors)
        return amounts, errors


def effect_tables(shifts: Sequence[Shift]) -> EffectTables:
    """The arrays of some shifts; a modifier that several share is worked out once.

    Examples
    --------
    >>> from scoring.scores.effects import CONSTANT, Shift
    >>> tables = effect_tables([Shift((CONSTANT,), (0.3,), ((0.01,),))])
    >>> amounts, errors = tables.weigh(np.zeros((1, len(FEATURE_NAMES)), np.float32), np.zeros(1))
    >>> amounts.tolist(), errors.tolist()
    ([[0.3]], [[0.1]])
    """
    place: dict[Modifier, int] = {}
    for shift in shifts:
        for modifier in shift.modifiers:
            place.setdefault(modifier, len(place))
    factors = [factor for modifier in place for factor in modifier.factors]
    columns = [FEATURE_NAMES.index(f.feature) if f.feature in FEATURE_NAMES else OF_MARGIN for f in factors]
    pairs = [_pairs(shift, place) for shift in shifts]
    every = [pair for of_shift in pairs for pair in of_shift]
    return EffectTables(
        len(shifts),
        (
            _starts(len(modifier.factors) for modifier in place),
            np.array(columns, np.int64),
            np.array([factor.kind == "line" for factor in factors], np.uint8),
            np.array([factor.centre for factor in factors], np.float64),
            np.array([factor.scale for factor in factors], np.float64),
            np.array([factor.missing for factor in factors], np.float64),
            _starts(len(shift.modifiers) for shift in shifts),
            np.array([place[modifier] for shift in shifts for modifier in shift.modifiers], np.int64),
            np.array([each for shift in shifts for each in shift.coefficients], np.float64),
            _starts(map(len, pairs)),
            np.array([one for one, _, _ in every], np.int64),
            np.array([other for _, other, _ in every], np.int64),
            np.array([share for _, _, share in every], np.float64),
        ),
    )


def _pairs(shift: Shift, place: dict[Modifier, int]) -> list[tuple[int, int, float]]:
    """Modifiers whose product adds to the variance, and how much, in the order in which `Shift.weigh` adds them."""
    shares = (
        (i, j, shift.covariance[i][j] * (1.0 if i == j else 2.0))
        for i, j in combinations_with_replacement(range(len(shift.modifiers)), 2)
    )
    return [(place[shift.modifiers[i]], place[shift.modifiers[j]], share) for i, j, share in shares if share]


def _starts(lengths: Iterable[int]) -> Places:
    return np.array([0, *accumulate(lengths)], np.int64)
