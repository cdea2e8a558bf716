"""Intervals of the two probabilities, from a table of what happened to accounts scored alike.

What the interval says: *among accounts with such a score, in months after those the model learnt from, the share that paid (or the
mean share of the amount that was paid) lies between low and high with 90 % confidence.* It tells how far the number can be trusted
as a rate, not how sure one account's outcome is. The table holds, for bands of the score, the distance in log-odds from the score
to both ends; between the middles of bands it is read off a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError
from scoring.scores.log_odds import probability

Floats = npt.NDArray[np.float64]
SCHEMA: Final = "reliability-intervals/1"
WIDEST: Final = 4.0
"""Without a table nothing is known of the reliability, and the interval says so: 4 in log-odds on either side."""


@dataclass(frozen=True)
class ReliabilityInterval:
    """Distances from a score to the ends of its interval, by the score, all in log-odds.

    Attributes
    ----------
    margin : tuple of float
        Middles of the bands, increasing.
    below, above : tuple of float
        At each: from the score down to the low end and up to the high end, none negative.

    Examples
    --------
    >>> table = ReliabilityInterval((-1.0, 1.0), (0.2, 0.4), (0.1, 0.1))
    >>> [end.round(3).tolist() for end in table.around(np.array([-1.0, 0.0, 5.0]))]
    [[0.231, 0.426, 0.99], [0.289, 0.525, 0.994]]
    """

    margin: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]

    def around(self, margin: Floats) -> tuple[Floats, Floats]:
        """Low and high probability around log-odds; the probability itself always lies between them."""
        ends = np.empty((2, len(margin)))
        ends[0] = margin - np.maximum(np.interp(margin, *self._line_below), 0.0)  # a line between zeros may round below
        ends[1] = margin + np.maximum(np.interp(margin, *self._line_above), 0.0)
        low, high = probability(ends)
        return low, high

    @cached_property
    def _line_below(self) -> tuple[Floats, Floats]:
        return np.array(self.margin), np.array(self.below)

    @cached_property
    def _line_above(self) -> tuple[Floats, Floats]:
        return np.array(self.margin), np.array(self.above)


UNKNOWN: Final = ReliabilityInterval((0.0,), (WIDEST,), (WIDEST,))


def intervals_from_json(raw: Mapping[str, Any] | None) -> dict[str, ReliabilityInterval]:
    """The tables of a bundle's ``intervals`` document, by model; empty without one.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: another schema.

    Examples
    --------
    >>> raw = {"schema": "reliability-intervals/1", "tables": {"ability": {"margin": [0.0], "below": [0.1], "above": [0.2]}}}
    >>> intervals_from_json(raw)["ability"].above
    (0.2,)
    """
    if raw is None:
        return {}
    if raw.get("schema") != SCHEMA:
        raise BundleError(
            f"The intervals document has schema {raw.get('schema')!r}, this code reads {SCHEMA!r}. Retrain the bundle.",
            field="schema",
            got=raw.get("schema"),
            expected=SCHEMA,
        )
    return {
        name: ReliabilityInterval(*(tuple(table[part]) for part in ("margin", "below", "above")))
        for name, table in raw["tables"].items()
    }
