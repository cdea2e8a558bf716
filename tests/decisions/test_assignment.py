"""Assignment: stable, within capacity, bounded; every law against brute force or a linear program on small instances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from scoring.decisions.assignment import NOBODY, assign, bound, prices

Floats = npt.NDArray[np.float64]
Limits = list[int | None]

values_of = st.one_of(st.just(float("-inf")), st.integers(-3, 12).map(float), st.floats(-5, 1e6))


@st.composite
def instances(draw: st.DrawFn, most: int = 7) -> tuple[Floats, Limits]:
    n_accounts, n_channels = draw(st.integers(0, most)), draw(st.integers(1, 3))
    cells = draw(st.lists(values_of, min_size=n_accounts * n_channels, max_size=n_accounts * n_channels))
    limits = draw(st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=n_channels, max_size=n_channels))
    return np.array(cells, dtype=np.float64).reshape(n_accounts, n_channels), limits


def worth(values: Floats, chosen: npt.NDArray[np.int64]) -> Floats:
    """What each account's own choice is worth; 0 for none."""
    taken = np.where(chosen == NOBODY, 0, chosen)
    return np.where(chosen == NOBODY, 0.0, values[np.arange(len(values)), taken])


def greedy(values: Floats, limits: Limits) -> list[int]:
    """The most valuable pair first, one at a time; ties to the earlier account, then the earlier channel."""
    left = [len(values) if limit is None else limit for limit in limits]
    chosen = [NOBODY] * len(values)
    pairs = [(-values[i, c], i, c) for i in range(len(values)) for c in range(len(limits)) if values[i, c] > 0]
    for _, account, channel in sorted(pairs):
        if chosen[account] == NOBODY and left[channel]:
            chosen[account] = channel
            left[channel] -= 1
    return chosen


def best_possible(values: Floats, limits: Limits) -> float:
    """The optimum by HiGHS: the assignment polytope has whole corners, so the linear program is exact."""
    n_accounts, n_channels = values.shape
    cost = -np.where(values > 0, values, 0.0).ravel()
    rows, ceilings = [], []
    for account in range(n_accounts):
        row = np.zeros((n_accounts, n_channels))
        row[account] = 1
        rows.append(row.ravel())
        ceilings.append(1)
    for channel, limit in enumerate(limits):
        if limit is not None:
            row = np.zeros((n_accounts, n_channels))
            row[:, channel] = 1
            rows.append(row.ravel())
            ceilings.append(limit)
    solved = linprog(cost, A_ub=np.array(rows), b_ub=ceilings, bounds=(0, 1), method="highs")
    assert solved.status == 0
    return float(-solved.fun)


@given(instances())
def test_it_is_the_greedy_plan_that_takes_the_most_valuable_pair_first(instance: tuple[Floats, Limits]):
    values, limits = instance

    assert assign(values, limits).tolist() == greedy(values, limits)


@given(instances())
def test_no_account_and_channel_would_both_rather_have_each_other(instance: tuple[Floats, Limits]):
    values, limits = instance
    chosen = assign(values, limits)

    own = worth(values, chosen)
    for account in range(len(values)):
        for channel, limit in enumerate(limits):
            inside = chosen == channel
            has_room = limit is None or inside.sum() < limit
            would_swap = has_room or (inside.any() and values[account, channel] > values[inside, channel].min())
            assert not (values[account, channel] > own[account] and would_swap)


@given(instances(most=30))
def test_no_channel_has_more_contacts_than_places_and_nothing_worthless_is_done(instance: tuple[Floats, Limits]):
    values, limits = instance
    chosen = assign(values, limits)

    assert all(limit is None or (chosen == channel).sum() <= limit for channel, limit in enumerate(limits))
    assert (worth(values, chosen)[chosen != NOBODY] > 0).all()


@given(instances(), st.data())
def test_taking_places_away_helps_no_account(instance: tuple[Floats, Limits], data: st.DataObject):
    values, limits = instance
    channel = data.draw(st.integers(0, len(limits) - 1))
    full = len(values) if limits[channel] is None else limits[channel]
    fewer = [*limits]
    fewer[channel] = data.draw(st.integers(0, full))

    before, after = worth(values, assign(values, limits)), worth(values, assign(values, fewer))

    assert (after <= before).all()


@settings(max_examples=60, deadline=None)
@given(instances())
def test_the_bound_is_no_less_than_the_optimum_and_the_plan_is_at_least_half_of_it(instance: tuple[Floats, Limits]):
    values, limits = instance
    chosen = assign(values, limits)
    total = float(worth(values, chosen).sum())
    optimum = best_possible(values, limits) if len(values) else 0.0

    ceiling = bound(values, prices(values, chosen, limits), limits)
    tolerance = 1e-7 * max(1.0, optimum)
    assert optimum / 2 - tolerance <= total <= optimum + tolerance
    assert optimum <= ceiling + tolerance


@settings(max_examples=60, deadline=None)
@given(instances(), st.lists(st.floats(0, 1e6), min_size=3, max_size=3))
def test_any_prices_give_a_bound(instance: tuple[Floats, Limits], some: list[float]):
    values, limits = instance
    optimum = best_possible(values, limits) if len(values) else 0.0

    assert optimum <= bound(values, np.array(some[: len(limits)]), limits) + 1e-7 * max(1.0, optimum)


@given(instances())
def test_a_channel_with_places_left_costs_nothing(instance: tuple[Floats, Limits]):
    values, limits = instance
    chosen = assign(values, limits)
    asked = prices(values, chosen, limits)

    assert (asked >= 0).all()
    assert all(asked[c] == 0 for c, limit in enumerate(limits) if limit is None or (chosen == c).sum() < limit)


def test_ties_go_to_the_earlier_account_and_the_earlier_channel():
    assert assign(np.full((3, 2), 7.0), [1, 1]).tolist() == [0, 1, NOBODY]


def test_among_many_accounts_full_of_ties_it_is_still_the_greedy_plan():
    values = np.random.default_rng(7).integers(-1, 5, (600, 3)).astype(np.float64)

    assert assign(values, [90, None, 25]).tolist() == greedy(values, [90, None, 25])


def test_among_many_equals_the_first_have_the_places():
    assert assign(np.full((500, 1), 7.0), [40]).tolist() == [0] * 40 + [NOBODY] * 460


def test_the_values_given_are_not_changed():
    values = np.array([[5.0, 1.0], [4.0, 3.0]])

    assign(values, [1, 1])

    assert values.tolist() == [[5.0, 1.0], [4.0, 3.0]]


def test_greedy_can_miss_the_optimum_and_the_bound_says_by_how_much_at_most():
    """Two accounts want the one place; giving it to the smaller gain of the two would serve both."""
    values, limits = np.array([[10.0, 9.0], [9.5, -np.inf]]), [1, 1]
    chosen = assign(values, limits)

    assert chosen.tolist() == [0, NOBODY]
    assert best_possible(values, limits) == 18.5
    assert bound(values, prices(values, chosen, limits), limits) >= 18.5
