"""The price of one resource when all others keep theirs: the inner loop of the optimiser, compiled by numba.

As a price rises, accounts leave the resource one after another for their best alternative, so what is asked for falls in
steps. The price sought is the smallest at which no more is asked for than there is (for a floor: the largest at which enough
is). It is bracketed from where it stood and halved; an account whose answer is the same at both ends of the bracket is
counted once and left out, so the whole search costs a few passes over the accounts. Ties are read as "leaves".

Everything the compiled code depends on stands in this file, because numba's cache on disk looks at no other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.scores.compiled import compiled, inlined

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

FIRST_STEP = 1e-3
FURTHER = 8.0
MOST_HALVINGS = 200
FINEST = 1e-15
TIE = 1e-12
"""A price stands this share beyond the point where an account is indifferent, so that rounding does not decide."""


@inlined
def _asked(
    left: Floats, nothing: Floats, entry: Places, scale: Floats, row: Places, table: Floats, i: int, step: float
) -> float:
    """What one account uses when the price is ``step`` above the one that ``left`` was made with."""
    best, used = nothing[i], 0.0
    for option in range(left.shape[1]):
        value, use, place = left[i, option], 0.0, entry[option]
        if place >= 0:
            use = scale[place] if row[place] < 0 else scale[place] * table[row[place], i]
            value -= step * use
        if value > best or (value == best and use < used):
            best, used = value, use
    return used


@inlined
def _asked_by_all(
    left: Floats, nothing: Floats, entry: Places, scale: Floats, row: Places, table: Floats, step: float
) -> float:
    total = 0.0
    for i in range(left.shape[0]):
        total += _asked(left, nothing, entry, scale, row, table, i, step)
    return total


@inlined
def _halved(
    left: Floats,
    nothing: Floats,
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    low: float,
    high: float,
    limit: float,
    is_floor: bool,
    size: float,
) -> float:
    """The step between ``low`` (too much is asked for) and ``high`` (no longer) where that changes."""
    n = left.shape[0]
    open_rows, at_low, at_high = np.empty(n, np.int64), np.empty(n), np.empty(n)
    n_open, settled = 0, 0.0
    for i in range(n):
        one = _asked(left, nothing, entry, scale, row, table, i, low)
        other = _asked(left, nothing, entry, scale, row, table, i, high)
        if one == other:
            settled += one
        else:
            open_rows[n_open], at_low[n_open], at_high[n_open] = i, one, other
            n_open += 1
    at_middle = np.empty(n_open)
    for _ in range(MOST_HALVINGS):
        if high - low <= FINEST * size or n_open == 0:
            break
        middle = low + (high - low) / 2
        total = settled
        for place in range(n_open):
            at_middle[place] = _asked(left, nothing, entry, scale, row, table, open_rows[place], middle)
            total += at_middle[place]
        is_too_much = total >= limit if is_floor else total > limit
        if is_too_much:
            low = middle
        else:
            high = middle
        kept = 0
        for place in range(n_open):
            one = at_middle[place] if is_too_much else at_low[place]
            other = at_high[place] if is_too_much else at_middle[place]
            if one == other:
                settled += one
            else:
                open_rows[kept], at_low[kept], at_high[kept] = open_rows[place], one, other
                kept += 1
        n_open = kept
    return low if is_floor else high


def _price(
    left: Floats,
    nothing: Floats,
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    price: float,
    most: float,
    least: float,
    highest: float,
) -> float:
    """The best price of a resource, given what every option leaves at all current prices, its own (``price``) included."""
    here = _asked_by_all(left, nothing, entry, scale, row, table, 0.0)
    if price > 0.0 and here <= most:  # it may fall, at most to nothing
        far, near = -FIRST_STEP * price, 0.0
        while True:
            far = max(far, -price)
            asked = _asked_by_all(left, nothing, entry, scale, row, table, far)
            if asked > most:
                return price + _halved(
                    left, nothing, entry, scale, row, table, far, near, most, False, max(price, -far)
                )
            if far == -price:
                break
            far, near = far * FURTHER, far
        here, near = asked, -price
    elif price < 0.0 and here >= least:  # it may rise, at most to nothing
        far, near = -FIRST_STEP * price, 0.0
        while True:
            far = min(far, -price)
            asked = _asked_by_all(left, nothing, entry, scale, row, table, far)
            if asked < least:
                return price + _halved(left, nothing, entry, scale, row, table, near, far, least, True, -price)
            if far == -price:
                break
            far, near = far * FURTHER, far
        here, near = asked, -price
    else:
        near = 0.0
    start = price + near  # nothing, or a price that is too low (or for a floor too high)
    reach = FIRST_STEP * max(abs(start), highest * FIRST_STEP)
    if here > most:
        while True:
            far = min(near + reach, highest - price)
            if far <= near or _asked_by_all(left, nothing, entry, scale, row, table, far) <= most:
                break
            near, reach = far, reach * FURTHER
        if far <= near:
            return highest
        return price + _halved(
            left, nothing, entry, scale, row, table, near, far, most, False, max(abs(price + far), abs(far))
        )
    if here < least:
        while True:
            far = max(near - reach, -highest - price)
            if far >= near or _asked_by_all(left, nothing, entry, scale, row, table, far) >= least:
                break
            near, reach = far, reach * FURTHER
        if far >= near:
            return -highest
        return price + _halved(
            left, nothing, entry, scale, row, table, far, near, least, True, max(abs(price + far), abs(far))
        )
    return start if abs(start) > 0.0 else 0.0


def _alone(
    left: Floats,
    nothing: Floats,
    option: int,
    place: int,
    scale: Floats,
    row: Places,
    table: Floats,
    price: float,
    most: float,
    least: float,
    highest: float,
) -> float:
    """The same for a resource of one option: each account leaves at one price of its own, and the right one is selected."""
    n = left.shape[0]
    leaves_at, use = np.empty(n), np.empty(n)
    kept, asked = 0, 0.0
    for i in range(n):
        mine = scale[place] if row[place] < 0 else scale[place] * table[row[place], i]
        if mine <= 0.0 or left[i, option] == -np.inf:
            continue
        other = nothing[i]
        for each in range(left.shape[1]):
            if each != option:
                other = max(other, left[i, each])
        leaves_at[kept], use[kept] = price + (left[i, option] - other) / mine, mine
        asked += mine if leaves_at[kept] > 0.0 else 0.0
        kept += 1
    if least <= asked <= most:
        return 0.0
    is_floor = asked < least
    limit = least if is_floor else most
    # Those who leave later count for sure; of the others half or so are settled in each round.
    sure, best, has_best = 0.0, 0.0, False
    while kept > 0:
        pivot = leaves_at[kept // 2]
        later, at_pivot = 0.0, 0.0
        for place_of in range(kept):
            if leaves_at[place_of] > pivot:
                later += use[place_of]
            elif leaves_at[place_of] == pivot:
                at_pivot += use[place_of]
        # A price is enough for a floor if those who leave there still count; for a limit they have left.
        reaches = sure + later + at_pivot >= limit if is_floor else sure + later > limit
        if not reaches:
            sure += later + at_pivot
        if reaches == is_floor:
            best, has_best = pivot, True
        still = 0
        for place_of in range(kept):
            is_open = leaves_at[place_of] > pivot if reaches else leaves_at[place_of] < pivot
            if is_open:
                leaves_at[still], use[still] = leaves_at[place_of], use[place_of]
                still += 1
        kept = still
    if not has_best:
        return -highest
    if is_floor:
        return best - TIE * abs(best)
    return max(best, 0.0) * (1.0 + TIE)


def _pay(left: Floats, entry: Places, scale: Floats, row: Places, table: Floats, step: float) -> None:
    """Raise the price of a resource by a step in what every option leaves."""
    for option in range(left.shape[1]):
        place = entry[option]
        if place < 0:
            continue
        for i in range(left.shape[0]):
            left[i, option] -= step * (scale[place] if row[place] < 0 else scale[place] * table[row[place], i])


def _best_left(left: Floats, nothing: Floats) -> float:
    """What all accounts are left with when each takes its best option: the dual without what the limits are worth."""
    total = 0.0
    for i in range(left.shape[0]):
        best = nothing[i]
        for option in range(left.shape[1]):
            best = max(best, left[i, option])
        total += best
    return total


_ARRAYS = "float64[:, ::1], float64[::1], int64[::1], float64[::1], int64[::1], float64[:, ::1]"
price_of = compiled(_price, f"float64({_ARRAYS}, float64, float64, float64, float64)")
price_alone = compiled(
    _alone,
    "float64(float64[:, ::1], float64[::1], int64, int64, float64[::1], int64[::1], float64[:, ::1], "
    "float64, float64, float64, float64)",
)
pay = compiled(_pay, "void(float64[:, ::1], int64[::1], float64[::1], int64[::1], float64[:, ::1], float64)")
best_left = compiled(_best_left, "float64(float64[:, ::1], float64[::1])")
