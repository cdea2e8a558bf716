"""From prices to a plan that fits: what ties and whole contacts left over the limits or under them, compiled by numba.

Three steps, each in an order that is fixed by value and then by row. *Settle*: where a resource is overfull, those go who lose
least by it; where a floor is not reached, those come. *Fill*: what is left over goes to those who gain, least loss at prices first. *Rotate*: while moving a few accounts
round (one into a place that is left, another into its place) gains anything, do so; where every contact uses one place this
ends at the best assignment there is. No step exceeds a limit, and none goes below a floor that was reached.

Everything the compiled code depends on stands in this file, because numba's cache on disk looks at no other.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from scoring.scores.compiled import compiled, inlined

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

NOBODY = -1
NOWHERE = -2
ROUNDING = 1e-9


@inlined
def _use(entry: Places, scale: Floats, row: Places, table: Floats, resource: int, option: int, i: int) -> float:
    if option < 0 or entry[resource, option] < 0:
        return 0.0
    place = entry[resource, option]
    own = 1.0 if row[place] < 0 else table[row[place], i]
    return float(scale[place] * own)


@inlined
def _fits(
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    most: Floats,
    least: Floats,
    used: Floats,
    i: int,
    old: int,
    new: int,
) -> bool:
    """Whether an account may move from one option to another: no limit passed, no floor left."""
    for resource in range(entry.shape[0]):
        change = _use(entry, scale, row, table, resource, new, i) - _use(entry, scale, row, table, resource, old, i)
        after = used[resource] + change
        if change > 0.0 and after > most[resource] * (1 + ROUNDING):
            return False
        if change < 0.0 < least[resource] and after < least[resource] * (1 - ROUNDING):
            return False
    return True


@inlined
def _move(
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    used: Floats,
    chosen: Places,
    i: int,
    new: int,
) -> None:
    for resource in range(entry.shape[0]):
        used[resource] += _use(entry, scale, row, table, resource, new, i)
        used[resource] -= _use(entry, scale, row, table, resource, chosen[i], i)
    chosen[i] = new


@inlined
def _way_out(
    left: Floats,
    nothing: Floats,
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    most: Floats,
    least: Floats,
    used: Floats,
    chosen: Places,
    i: int,
    resource: int,
    is_short: bool,
) -> tuple[float, int]:
    """The cheapest move of an account that relieves a resource and fits: its loss for each unit, and where to; none: -2."""
    mine = _use(entry, scale, row, table, resource, chosen[i], i)
    own = nothing[i] if chosen[i] < 0 else left[i, chosen[i]]
    loss, where = np.inf, NOWHERE
    for option in range(-1, left.shape[1]):
        value = nothing[i] if option < 0 else left[i, option]
        use = _use(entry, scale, row, table, resource, option, i)
        relief = use - mine if is_short else mine - use
        if relief <= 0.0 or value == -np.inf or (own - value) / relief >= loss:
            continue
        if _fits(entry, scale, row, table, most, least, used, i, chosen[i], option):
            loss, where = (own - value) / relief, option
    return loss, where


def _settle(
    left: Floats,
    nothing: Floats,
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    most: Floats,
    least: Floats,
    used: Floats,
    chosen: Places,
    order: Places,
    hoped: Floats,
    resource: int,
    is_short: bool,
) -> None:
    """Bring a resource to its limit (or, where it is short, to its floor), cheapest move first.

    ``order`` lists accounts by ``hoped``, the least they could lose for each unit; one whose cheapest move does not fit waits
    with what it would really lose.
    """
    waiting = [(np.inf, 0)]
    place = 0
    while place < order.size or len(waiting) > 1:
        if is_short and used[resource] >= least[resource] * (1 - ROUNDING):
            return
        if not is_short and used[resource] <= most[resource] * (1 + ROUNDING):
            return
        if place < order.size and hoped[place] <= waiting[0][0]:
            turn = place
            place += 1
        else:
            turn = heapq.heappop(waiting)[1]
        i = order[turn]
        loss, where = _way_out(
            left, nothing, entry, scale, row, table, most, least, used, chosen, i, resource, is_short
        )
        if where == NOWHERE:
            continue
        if loss <= waiting[0][0] and (place >= order.size or loss <= hoped[place]):
            _move(entry, scale, row, table, used, chosen, i, where)
        else:
            heapq.heappush(waiting, (loss, turn))


def _fill(
    values: Floats,
    nothing: Floats,
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    most: Floats,
    least: Floats,
    used: Floats,
    chosen: Places,
    order: Places,
    option: int,
) -> int:
    """Give an option to accounts, in the order given, where it fits and is worth more than what they have."""
    moved = 0
    for i in order:
        mine = nothing[i] if chosen[i] < 0 else values[i, chosen[i]]
        if chosen[i] == option or values[i, option] <= mine:
            continue
        if _fits(entry, scale, row, table, most, least, used, i, chosen[i], option):
            _move(entry, scale, row, table, used, chosen, i, option)
            moved += 1
    return moved


@inlined
def _worth_of_one_more(loss: Floats, one_more: Floats) -> None:
    """The gain of the best chain of moves into each option, from the losses between nodes."""
    none = loss.shape[0] - 1
    cost = loss[none].copy()
    for _ in range(none):
        for a in range(none):
            for b in range(none):
                cost[b] = min(cost[b], cost[a] + loss[a, b])
    for option in range(none):
        one_more[option] = max(0.0, -cost[option])


@inlined
def _move_on(
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    used: Floats,
    chosen: Places,
    who: Places,
    a: int,
    b: int,
    none: int,
) -> None:
    """Move the account that loses least by going from one node to another, if it is one and not a place that is left."""
    if who[a, b] >= 0:
        _move(entry, scale, row, table, used, chosen, who[a, b], NOBODY if b == none else b)


@inlined
def _cycle(loss: Floats, found: Places, tolerance: float) -> int:
    """A cycle of moves that gains: nodes written to ``found``, their number returned; 0 where none gains."""
    n = loss.shape[0]
    distance, before = np.zeros(n), np.full(n, -1, np.int64)
    last = -1
    for _ in range(n):
        last = -1
        for a in range(n):
            for b in range(n):
                if distance[a] + loss[a, b] < distance[b] - tolerance:
                    distance[b], before[b], last = distance[a] + loss[a, b], a, b
        if last < 0:
            return 0
    for _ in range(n):
        last = before[last]
    size, node = 0, last
    while True:
        found[size] = node
        size += 1
        node = before[node]
        if node == last:
            return size


def _rotate(
    values: Floats,
    nothing: Floats,
    entry: Places,
    scale: Floats,
    row: Places,
    table: Floats,
    most: Floats,
    least: Floats,
    used: Floats,
    chosen: Places,
    most_rounds: int,
    tolerance: float,
    one_more: Floats,
) -> int:
    """Improve by moving a few accounts at once; the last node stands for doing nothing. Returns how often it did.

    ``one_more`` is filled with what one more place of each option would add, if there was nothing left to improve.
    """
    n, n_options = values.shape
    none = n_options
    loss, who = np.empty((none + 1, none + 1)), np.empty((none + 1, none + 1), np.int64)
    is_out = np.zeros(n, np.bool_)
    found = np.empty(none + 1, np.int64)
    largest = np.zeros((entry.shape[0], n_options))
    for resource in range(entry.shape[0]):
        for option in range(n_options):
            for i in range(n):
                if values[i, option] > -np.inf:
                    use = _use(entry, scale, row, table, resource, option, i)
                    largest[resource, option] = max(largest[resource, option], use)
    done = 0
    for _ in range(most_rounds):
        loss[:], who[:] = np.inf, -1
        for i in range(n):
            if is_out[i]:
                continue
            a = none if chosen[i] < 0 else chosen[i]
            mine = nothing[i] if a == none else values[i, a]
            for b in range(none + 1):
                other = nothing[i] if b == none else values[i, b]
                if b != a and mine - other < loss[a, b]:
                    loss[a, b], who[a, b] = mine - other, i
        for a in range(none):
            has_room = True
            for resource in range(entry.shape[0]):
                if largest[resource, a] > 0.0 and used[resource] + largest[resource, a] > most[resource] * (
                    1 + ROUNDING
                ):
                    has_room = False
            if has_room and loss[a, none] > 0.0:  # a place is left: taking it costs nobody anything
                loss[a, none], who[a, none] = 0.0, NOBODY
            if loss[none, a] > 0.0:  # leaving a place empty is always possible
                loss[none, a], who[none, a] = 0.0, NOBODY
        size = _cycle(loss, found, tolerance)
        if size == 0:
            _worth_of_one_more(loss, one_more)
            return done
        # ``found`` runs against the moves: found[j + 1] moves to found[j].
        before = used.copy()
        for j in range(size):
            _move_on(entry, scale, row, table, used, chosen, who, found[(j + 1) % size], found[j], none)
        fits = True
        for resource in range(entry.shape[0]):
            if used[resource] > max(before[resource], most[resource] * (1 + ROUNDING)):
                fits = False
            if least[resource] > 0.0 and used[resource] < min(before[resource], least[resource] * (1 - ROUNDING)):
                fits = False
        if fits:
            done += 1
            continue
        used[:] = before
        gains = 0
        for j in range(size):
            if loss[found[(j + 1) % size], found[j]] < loss[found[(gains + 1) % size], found[gains]]:
                gains = j
        n_out = 0
        for j in range(size):  # back again; the others may not try once more, the one who gains most may
            a, b = found[(j + 1) % size], found[j]
            if who[a, b] >= 0:
                chosen[who[a, b]] = NOBODY if a == none else a
                if j != gains:
                    is_out[who[a, b]] = True
                    n_out += 1
        if n_out == 0:
            is_out[who[found[(gains + 1) % size], found[gains]]] = True
    return done


_USES = "int64[:, ::1], float64[::1], int64[::1], float64[:, ::1]"
_STATE = "float64[::1], float64[::1], float64[::1], int64[::1]"
_VALUES = "float64[:, ::1]"
settle = compiled(
    _settle, f"void({_VALUES}, float64[::1], {_USES}, {_STATE}, int64[::1], float64[::1], int64, boolean)"
)
fill = compiled(_fill, f"int64({_VALUES}, float64[::1], {_USES}, {_STATE}, int64[::1], int64)")
rotate = compiled(_rotate, f"int64({_VALUES}, float64[::1], {_USES}, {_STATE}, int64, float64, float64[::1])")
