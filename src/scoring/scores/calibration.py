"""Smooth calibration: a three-parameter map from a model's log-odds to calibrated log-odds, increasing and never stepped.

Beta calibration (Kull, Silva Filho, Flach 2017): log-odds' = a + b ln p - c ln(1 - p) with b, c >= 0, so the order of accounts never
changes and no two accounts are tied, as an isotonic map would do. Training fits it on days after those the model learnt from, and
only where the miscalibration is beyond what chance gives (`training.calibrating`); a model without a map is served as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError
from scoring.scores.log_odds import probability

Floats = npt.NDArray[np.float64]
SCHEMA: Final = "calibration/1"
_LANES: Final = 16


@dataclass(frozen=True, slots=True)
class SmoothMap:
    """Calibrated log-odds = ``shift`` + ``of_one`` ln p - ``of_zero`` ln(1 - p); (0, 1, 1) changes nothing.

    Examples
    --------
    >>> SmoothMap(0.0, 1.0, 1.0).margin(np.array([-2.0, 0.0, 3.0])).round(12).tolist()
    [-2.0, 0.0, 3.0]
    >>> SmoothMap(0.5, 0.8, 0.8).margin(np.array([-2.0, 0.0, 3.0])).round(3).tolist()
    [-1.1, 0.5, 2.9]
    >>> SmoothMap(0.0, -1.0, 1.0)
    Traceback (most recent call last):
    ...
    scoring.errors.BundleError: A calibration map with slopes -1.0 and 1.0 would not keep the order of accounts. Retrain the bundle.
    """

    shift: float
    of_one: float
    of_zero: float

    def __post_init__(self) -> None:
        if not (self.of_one >= 0 and self.of_zero >= 0 and self.of_one + self.of_zero > 0):
            raise BundleError(
                f"A calibration map with slopes {self.of_one} and {self.of_zero} would not keep the order of accounts. Retrain the "
                "bundle.",
                field="calibration",
                got=[self.of_one, self.of_zero],
            )

    def margin(self, margin: Floats) -> Floats:
        """Calibrated log-odds of a model's log-odds; the same bits alone and in any batch."""
        of_one, of_zero = log_shares(margin)
        return np.asarray(self.shift + self.of_one * of_one - self.of_zero * of_zero)

    def probability(self, margin: Floats) -> Floats:
        """Calibrated probability of a model's log-odds.

        >>> SmoothMap(0.0, 1.0, 1.0).probability(np.array([0.0])).tolist()
        [0.5]
        """
        return probability(self.margin(margin))


def log_shares(margin: Floats) -> tuple[Floats, Floats]:
    """ln p and ln(1 - p) of log-odds, without overflow; padded to whole lanes so that an element's bits are its own.

    >>> [part.round(4).tolist() for part in log_shares(np.array([0.0, 800.0]))]
    [[-0.6931, 0.0], [-0.6931, -800.0]]
    """
    padded = np.zeros(-(-max(len(margin), 1) // _LANES) * _LANES)
    padded[: len(margin)] = margin
    tail = np.log1p(np.exp(-np.abs(padded)))
    of_one = np.minimum(padded, 0.0) - tail
    of_zero = np.minimum(-padded, 0.0) - tail
    return of_one[: len(margin)], of_zero[: len(margin)]


def maps_from_json(raw: Mapping[str, Any] | None) -> dict[str, SmoothMap]:
    """The maps of a bundle's ``calibration`` document, by model; empty without one.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: another schema.

    Examples
    --------
    >>> maps_from_json({"schema": "calibration/1", "maps": {"ability": {"shift": 0.1, "of_one": 1.0, "of_zero": 0.9}}})
    {'ability': SmoothMap(shift=0.1, of_one=1.0, of_zero=0.9)}
    >>> maps_from_json(None)
    {}
    """
    if raw is None:
        return {}
    if raw.get("schema") != SCHEMA:
        raise BundleError(
            f"The calibration document has schema {raw.get('schema')!r}, this code reads {SCHEMA!r}. Retrain the bundle.",
            field="schema",
            got=raw.get("schema"),
            expected=SCHEMA,
        )
    return {name: SmoothMap(**entry) for name, entry in raw["maps"].items()}


def maps_to_json(maps: Mapping[str, SmoothMap], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The ``calibration`` document: adopted maps, and what was seen of every model.

    >>> document = maps_to_json({"ability": SmoothMap(0.1, 1.0, 0.9)}, {"ability": {"adopted": True}})
    >>> maps_from_json(document)["ability"].of_zero
    0.9
    """
    return {
        "schema": SCHEMA,
        "maps": {name: asdict(fitted) for name, fitted in maps.items()},
        "facts": dict(facts),
    }
