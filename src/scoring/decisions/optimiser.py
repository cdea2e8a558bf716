"""The best plan under limits: one option per account, found by prices of what is scarce, with a proof of how good it is.

Each resource has a price; at given prices every account takes the option that leaves it most. The prices are set one after
another, each at the point where no more is asked for than there is, until they rest. Whatever the prices, what all accounts
are left with plus what the limits are worth at them is more than any plan can reach: that is the bound. Ties and whole
contacts are settled last (`scoring.decisions.repair`), and the difference between value and bound is reported.

Why prices and not a solver's basis: they are shown to people ("one more agent hour is worth ..."), decide between plans, and
are found in seconds for a million accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from scoring.decisions.assignment import (
    NOBODY,
    Assignment,
    Floats,
    Places,
    Resource,
    Uses,
    as_arrays,
    best_options,
    worth,
)
from scoring.decisions.dual_prices import best_left, pay, price_alone, price_of
from scoring.decisions.repair import fill, rotate, settle

MOST_SWEEPS: Final = 80
RESTS_AT: Final = 1e-8
"""Prices rest when a sweep lowers the bound by less than this share of it."""
SAMPLE: Final = 50_000
"""Prices start from those of so many accounts, drawn at random, under their share of the limits."""
MOST_FILL_ROUNDS: Final = 20
ROTATION_WORK: Final = 40_000_000
"""Cells looked at for rotations at most: exact for small instances, bounded for large ones."""
MOST_ROTATIONS: Final = 5_000


def solve(values: Floats, resources: Sequence[Resource] = (), *, nothing: Floats | None = None) -> Assignment:
    """Assign at most one option to each account so that the sum of values is as large as the resources allow.

    Parameters
    ----------
    values : array (n_accounts, n_options)
        Value of each option; ``-inf`` where it must not be chosen. Options worth less than nothing are chosen only for a floor.
    resources : sequence of Resource
        Limits and floors. An option without any is unlimited.
    nothing : array (n_accounts,), optional
        Value of doing nothing, 0 by default; below 0 for accounts that have waited too long. It is weighed, and not part of
        the value reported.

    Returns
    -------
    Assignment
        Ties are settled by the order of accounts and options, always in the same way. No limit is exceeded. A floor out of reach is met as far as
        lawful options go.

    Examples
    --------
    >>> from scoring.decisions.assignment import contacts_of
    >>> found = solve(np.array([[5.0, 1.0], [4.0, 3.0], [2.0, 2.0]]), contacts_of([1, 1]))
    >>> found.chosen.tolist(), found.prices.tolist(), found.value, found.bound
    ([0, 1, -1], [3.0, 2.0], 8.0, 8.0)
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    n, n_options = values.shape
    uses = as_arrays(resources, n, n_options)
    idle = np.zeros(n) if nothing is None else np.ascontiguousarray(nothing, dtype=np.float64)
    if not values.size:
        return Assignment(
            np.full(n, NOBODY, dtype=np.int64), np.zeros(len(resources)), np.zeros(len(resources)), 0.0, 0.0
        )
    prices = _prices(values, uses, idle)
    left = _left(values, uses, prices)
    chosen, used, one_more = _repaired(values, left, uses, idle, prices)
    floors = np.minimum(uses.least, used)
    bound = dual(left, idle, prices, uses.most, floors)
    exact = _prices_of_contacts(uses, prices, one_more)
    if (exact_bound := dual(_left(values, uses, exact), idle, exact, uses.most, floors)) < bound:
        prices, bound = exact, exact_bound
    value = float(worth(values, chosen).sum())
    waited = float(np.where(chosen == NOBODY, idle, 0.0).sum())
    return Assignment(chosen, prices, used, value, max(value, bound - waited))


def _prices_of_contacts(uses: Uses, prices: Floats, one_more: Floats) -> Floats:
    """Prices that rest can stand a little off where few accounts compete; what one more place adds is exact for contacts."""
    exact = prices.copy()
    for resource, options in enumerate(uses.entry >= 0):
        if options.sum() == 1 and uses.row[uses.entry[resource, options]][0] < 0 and prices[resource] >= 0:
            exact[resource] = one_more[options][0] / uses.scale[uses.entry[resource, options]][0]
    return exact


def dual(left: Floats, nothing: Floats, prices: Floats, most: Floats, least: Floats) -> float:
    """An upper bound on the value of any assignment: what accounts are left with, and what the limits are worth at the prices.

    Parameters
    ----------
    left : array (n_accounts, n_options)
        The result of `scoring.decisions.assignment.at_prices`.
    nothing : array (n_accounts,)
    prices, most, least : array (n_resources,)

    Examples
    --------
    >>> dual(np.array([[2.0], [0.0]]), np.zeros(2), np.array([3.0]), np.array([1.0]), np.zeros(1))
    5.0
    """
    limits = np.where(prices > 0, most, least)
    scarce = prices != 0
    return float(best_left(np.ascontiguousarray(left), nothing)) + float((prices[scarce] * limits[scarce]).sum())


def _left(values: Floats, uses: Uses, prices: Floats) -> Floats:
    left = values.copy()
    for resource, price in enumerate(prices):
        if price:
            pay(left, uses.entry[resource], uses.scale, uses.row, uses.table, price)
    return left


def _prices(values: Floats, uses: Uses, nothing: Floats) -> Floats:
    """Set prices one after another until they rest; a sample first, so that few passes over everybody are needed."""
    prices = np.zeros(len(uses.most))
    highest = _highest(values, uses, nothing)
    if len(values) > 2 * SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(len(values), SAMPLE, replace=False))
        part = uses.take(rows, len(rows) / len(values))
        prices = _at_rest(np.ascontiguousarray(values[rows]), part, nothing[rows], prices, highest)
    return _at_rest(values, uses, nothing, prices, highest)


def _at_rest(values: Floats, uses: Uses, nothing: Floats, prices: Floats, highest: Floats) -> Floats:
    lowest, best = np.inf, prices.copy()
    for _ in range(MOST_SWEEPS):
        left = _left(values, uses, prices)
        for resource, price in enumerate(prices.copy()):
            found = _price(left, uses, nothing, resource, price, highest[resource])
            if found != price:
                pay(left, uses.entry[resource], uses.scale, uses.row, uses.table, found - price)
                prices[resource] = found
        now = dual(left, nothing, prices, uses.most, uses.least)
        rests = lowest - now <= RESTS_AT * abs(now)
        if now < lowest:
            lowest, best = now, prices.copy()
        if rests:
            break
    return best


def _price(left: Floats, uses: Uses, nothing: Floats, resource: int, price: float, highest: float) -> float:
    options = np.flatnonzero(uses.entry[resource] >= 0)
    limits = (price, uses.most[resource], uses.least[resource], highest)
    amounts = (uses.scale, uses.row, uses.table)
    if len(options) == 1:
        return float(price_alone(left, nothing, options[0], uses.entry[resource, options[0]], *amounts, *limits))
    return float(price_of(left, nothing, uses.entry[resource], *amounts, *limits))


def _highest(values: Floats, uses: Uses, nothing: Floats) -> Floats:
    """A price of each resource at which nobody takes it, whatever the others cost."""
    finite = values[np.isfinite(values)]
    spread = (float(np.abs(finite).max()) if len(finite) else 0.0) + float(np.abs(nothing).max(initial=0.0)) + 1.0
    smallest = np.ones(len(uses.most))
    for resource, options in enumerate(uses.entry):
        entries = options[options >= 0]
        amounts = [uses.scale[e] if uses.row[e] < 0 else uses.scale[e] * uses.table[uses.row[e]] for e in entries]
        positive = [np.asarray(a)[np.asarray(a) > 0] for a in amounts]
        smallest[resource] = min((float(p.min()) for p in positive if p.size), default=1.0)
    return np.asarray(4.0 * spread / smallest)


def _repaired(
    values: Floats, left: Floats, uses: Uses, nothing: Floats, prices: Floats
) -> tuple[Places, Floats, Floats]:
    """The best options at prices, made to fit, filled up, and improved; and what one more place of each option is worth."""
    chosen = best_options(left, nothing)
    used = np.array([_use_now(uses, resource, chosen).sum() for resource in range(len(prices))]).reshape(len(prices))
    arrays = (uses.entry, uses.scale, uses.row, uses.table)
    shared = (*arrays, uses.most)
    # Floors first, as if what is open had room; who then is too many leaves, those of a floor last.
    no_limits, no_floors = np.where(uses.most > 0, np.inf, 0.0), np.zeros(len(prices))
    for resource in np.flatnonzero(used < uses.least):
        turns = _least_loss(left, uses, nothing, chosen, int(resource), is_short=True)
        settle(left, nothing, *arrays, no_limits, uses.least, used, chosen, *turns, resource, True)
    for floors in (uses.least, no_floors):
        for resource in np.flatnonzero(used > uses.most * (1 + 1e-9)):
            turns = _least_loss(left, uses, nothing, chosen, int(resource), is_short=False)
            settle(left, nothing, *shared, floors, used, chosen, *turns, resource, False)
    for _ in range(MOST_FILL_ROUNDS):
        moved = 0
        for option in _with_room(values, uses, used, prices):
            order = _candidates(values, left, nothing, chosen, int(option))
            moved += fill(values, nothing, *shared, uses.least, used, chosen, order, option)
        if not moved:
            break
    smallest_gain = 1e-12 * float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    most_rounds, one_more = min(max(ROTATION_WORK // values.size, 20), MOST_ROTATIONS), np.zeros(values.shape[1])
    rotate(values, nothing, *shared, uses.least, used, chosen, most_rounds, smallest_gain, one_more)
    return chosen, used, one_more


def _use_now(uses: Uses, resource: int, chosen: Places) -> Floats:
    """How much of a resource each account uses."""
    used = np.zeros(len(chosen))
    for option in np.flatnonzero(uses.entry[resource] >= 0):
        used = np.where(chosen == option, uses.of(resource, int(option)), used)
    return used


def _least_loss(
    left: Floats, uses: Uses, nothing: Floats, chosen: Places, resource: int, *, is_short: bool
) -> tuple[Places, Floats]:
    """Accounts that can relieve an overfull resource (or a short floor), and what each would lose a unit at least; least first.

    Ties: the later account leaves first, the earlier comes first.
    """
    now = _use_now(uses, resource, chosen)
    own = np.where(chosen == NOBODY, nothing, worth(left, chosen))
    loss = np.full(len(left), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        for option in range(-1, left.shape[1]):
            use = uses.of(resource, option) if option >= 0 else np.zeros(len(left))
            value = left[:, option] if option >= 0 else nothing
            relief = use - now if is_short else now - use
            loss = np.where(relief > 0, np.minimum(loss, (own - value) / relief), loss)
    rows = np.flatnonzero(loss < np.inf)
    order = rows[np.lexsort((rows if is_short else -rows, loss[rows]))]
    return order, loss[order]


def _with_room(values: Floats, uses: Uses, used: Floats, prices: Floats) -> Places:
    """Options that are scarce at these prices and yet have something left."""
    takes = uses.entry >= 0
    is_full = used >= uses.most * (1 - 1e-12)
    return np.flatnonzero(takes[prices > 0].any(axis=0) & ~takes[is_full].any(axis=0))


def _candidates(values: Floats, left: Floats, nothing: Floats, chosen: Places, option: int) -> Places:
    """Accounts that an option would be worth more to than what they have, least loss at prices first."""
    own = np.where(chosen == NOBODY, nothing, worth(values, chosen))
    rows = np.flatnonzero((values[:, option] > own) & (chosen != option))
    loss = np.where(chosen[rows] == NOBODY, nothing[rows], worth(left[rows], chosen[rows])) - left[rows, option]
    return np.asarray(rows[np.lexsort((rows, loss))])
