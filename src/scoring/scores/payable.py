"""The payable amount given a payment: quantile predictions, conformalised in bands of the chance of paying in full.

Where many pay in full the share has an atom at one: no upper end below one can hold, and an upper end of one can never be missed.
There the whole allowed miss belongs to the lower end, so that an 80 % interval means 80 % and not 90. Elsewhere both ends are moved
by the same margin. The margins come from accounts and days that the quantile models did not learn from. Where more than the coverage
pays in full even a single point covers too much; that is said here and not repaired by chance: on a portfolio where three payers in
four pay everything, an 80 % interval cannot cover less than the mean over payers of the larger of 0.8 and the chance of paying in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PayableBand:
    """How the predicted quantiles are moved for accounts with a chance of paying in full of ``from_p_full`` or more.

    Attributes
    ----------
    from_p_full : float
    margin : float
        In shares: taken from the low end, added to the high end; negative where the raw quantiles are too wide.
    is_one_sided : bool
        The high end is the full amount.
    """

    from_p_full: float
    margin: float
    is_one_sided: bool


def bands_from_json(raw: Mapping[str, Any]) -> tuple[PayableBand, ...]:
    """The bands that a manifest's ``payable`` states; one for everybody where it states a single margin.

    >>> bands_from_json({"coverage": 0.8, "conformal_margin": 0.05})
    (PayableBand(from_p_full=0.0, margin=0.05, is_one_sided=False),)
    """
    if "bands" not in raw:
        return (PayableBand(0.0, float(raw["conformal_margin"]), False),)
    return tuple(PayableBand(**band) for band in raw["bands"])


def bands_to_json(bands: Sequence[PayableBand]) -> list[dict[str, Any]]:
    """The bands as JSON values.

    >>> bands_to_json([PayableBand(0.0, 0.05, False)])
    [{'from_p_full': 0.0, 'margin': 0.05, 'is_one_sided': False}]
    """
    return [asdict(band) for band in bands]


def payable_shares(
    bands: Sequence[PayableBand], p_full: Floats, low: Floats, mid: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Low, mid and high share of the cure amount, given a payment, from raw quantile predictions.

    Examples
    --------
    >>> bands = (PayableBand(0.0, 0.05, False), PayableBand(0.1, -0.1, True))
    >>> low, mid, high = (np.full(2, share) for share in (0.2, 0.5, 0.9))
    >>> [end.round(3).tolist() for end in payable_shares(bands, np.array([0.02, 0.6]), low, mid, high)]
    [[0.15, 0.3], [0.5, 0.5], [0.95, 1.0]]
    """
    place = np.searchsorted(np.array([band.from_p_full for band in bands]), p_full, side="right") - 1
    place = np.maximum(place, 0)
    margin = np.array([band.margin for band in bands])[place]
    one_sided = np.array([band.is_one_sided for band in bands])[place]
    lowest = np.clip(low - margin, 0.0, 1.0)
    highest = np.where(one_sided, 1.0, np.maximum(lowest, np.clip(high + margin, 0.0, 1.0)))
    return lowest, np.clip(mid, lowest, highest), highest
