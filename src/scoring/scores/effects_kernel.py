"""The inner loop of `scoring.scores.effects.apply`, compiled by numba: every shift and its variance for each account.

It adds the same numbers in the same order as `Shift.weigh`, which is the one to read, so that the bits agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.scores.compiled import compiled, inlined

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@inlined
def _factor(observed: float, is_line: int, centre: float, scale: float, missing: float) -> float:
    if np.isnan(observed):
        return missing
    if is_line:
        return min(max((observed - centre) / scale, -2.0), 2.0)
    return 1.0 if observed > centre else 0.0


def _weigh_rows(
    values: npt.NDArray[np.float32],
    margin: Floats,
    modifier_starts: Places,
    factor_column: Places,
    factor_is_line: npt.NDArray[np.uint8],
    factor_centre: Floats,
    factor_scale: Floats,
    factor_missing: Floats,
    shift_starts: Places,
    modifier: Places,
    coefficient: Floats,
    pair_starts: Places,
    pair_one: Places,
    pair_other: Places,
    pair_share: Floats,
    amounts: Floats,
    errors: Floats,
) -> None:
    """Fill ``amounts`` and ``errors``, a line per shift; a factor of column -1 reads the margin."""
    seen = np.empty(modifier_starts.size - 1)
    for r in range(margin.size):
        for place in range(seen.size):
            product = 1.0
            for f in range(modifier_starts[place], modifier_starts[place + 1]):
                observed = margin[r] if factor_column[f] < 0 else np.float64(values[r, factor_column[f]])
                product = product * _factor(
                    observed, factor_is_line[f], factor_centre[f], factor_scale[f], factor_missing[f]
                )
            seen[place] = product
        for shift in range(shift_starts.size - 1):
            amount = 0.0
            for one in range(shift_starts[shift], shift_starts[shift + 1]):
                amount = amount + coefficient[one] * seen[modifier[one]]
            variance = 0.0
            for pair in range(pair_starts[shift], pair_starts[shift + 1]):
                variance = variance + pair_share[pair] * (seen[pair_one[pair]] * seen[pair_other[pair]])
            amounts[shift, r] = amount
            errors[shift, r] = np.sqrt(max(variance, 0.0))


_places, _floats = "int64[::1]", "float64[::1]"
_factors = f"{_places}, uint8[::1], {_floats}, {_floats}, {_floats}"
_shifts = f"{_places}, {_places}, {_floats}, {_places}, {_places}, {_places}, {_floats}"
weigh_rows = compiled(
    _weigh_rows,
    f"void(float32[:,::1], {_floats}, {_places}, {_factors}, {_shifts}, float64[:,::1], float64[:,::1])",
)
