"""The optimiser: within limits, as good as a linear program, with a bound that holds and prices that mean what they say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from scoring.decisions.assignment import NOBODY, Resource, as_arrays, at_prices, best_options, contacts_of, worth
from scoring.decisions.dual_prices import TIE
from scoring.decisions.optimiser import dual, solve

Floats = npt.NDArray[np.float64]
Limits = list[int | None]

values_of = st.one_of(st.just(float("-inf")), st.integers(-3, 12).map(float), st.floats(-5, 1e6))


@st.composite
def instances(draw: st.DrawFn, most: int = 9) -> tuple[Floats, Limits]:
    n_accounts, n_options = draw(st.integers(0, most)), draw(st.integers(1, 4))
    cells = draw(st.lists(values_of, min_size=n_accounts * n_options, max_size=n_accounts * n_options))
    limits = draw(st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=n_options, max_size=n_options))
    return np.array(cells, dtype=np.float64).reshape(n_accounts, n_options), limits


@st.composite
def instances_with_minutes(draw: st.DrawFn) -> tuple[Floats, list[Resource]]:
    """Contacts, minutes of each account's own, visits in two regions, and a floor for some."""
    values, limits = draw(instances(12))
    n = len(values)
    minutes = np.array(draw(st.lists(st.floats(0.5, 9.0), min_size=n, max_size=n)))
    region = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=np.float64)
    last = values.shape[1] - 1
    shared = {0: minutes, last: 2 * minutes} if last else {0: minutes}
    return values, [
        *contacts_of(limits),
        Resource("minutes", shared, draw(st.floats(0, 40))),
        Resource("visits north", {last: region}, float(draw(st.integers(0, 3)))),
        Resource("support", {0: 1 - region}, None, float(draw(st.integers(0, 3)))),
    ]


def best_possible(values: Floats, resources: list[Resource]) -> float | None:
    """The optimum of the linear program by HiGHS, which no plan exceeds; None where the floors cannot be met."""
    n, n_options = values.shape
    uses = as_arrays(resources, n, n_options)
    account, option = np.nonzero(np.isfinite(values))
    if not len(account):
        return 0.0
    place = np.arange(len(account))
    rows = [csr_array((np.ones(len(place)), (account, place)), shape=(n, len(place)))]
    ceilings = [np.ones(n)]
    for r in range(len(resources)):
        used = np.select([option == o for o in range(n_options)], [uses.of(r, o)[account] for o in range(n_options)])
        for sign, limit in ((1.0, uses.most[r]), (-1.0, uses.least[r])):
            if np.isfinite(limit) and (sign > 0 or limit > 0):
                rows.append(csr_array(sign * used[None, :]))
                ceilings.append(np.array([sign * limit]))
    largest = float(np.abs(values[account, option]).max()) or 1.0
    solved = linprog(
        -values[account, option] / largest,
        A_ub=vstack(rows),
        b_ub=np.concatenate(ceilings),
        bounds=(0, 1),
        method="highs",
    )
    return None if solved.status == 2 else float(-solved.fun * largest)


def used_by(resources: list[Resource], chosen: npt.NDArray[np.int64], n_options: int) -> Floats:
    uses = as_arrays(resources, len(chosen), n_options)
    return np.array(
        [sum(uses.of(r, o)[chosen == o].sum() for o in range(n_options)) for r in range(len(resources))],
        dtype=np.float64,
    )


def portfolio(n: int, seed: int = 0) -> tuple[Floats, Limits]:
    """Values of accounts of very different size, nine channels, a third of them closed for each."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.0, 1.0, (n, 1)) * rng.normal(1, 1, (n, 9)) * 100
    values[rng.random(values.shape) < 0.3] = -np.inf
    return values, [None, *(int(n * share) for share in (0.2, 0.1, 0.05, 0.1, 0.04, 0.02, 0.0, 0.01))]


@settings(max_examples=80, deadline=None)
@given(instances())
def test_where_every_contact_uses_one_place_the_plan_is_the_best_there_is_and_the_bound_says_so(
    instance: tuple[Floats, Limits],
):
    values, limits = instance
    found = solve(values, contacts_of(limits))
    optimum = best_possible(values, contacts_of(limits)) if len(values) else 0.0

    tolerance = 1e-7 * max(1.0, optimum or 0.0)
    assert found.value == pytest.approx(optimum, abs=tolerance)
    assert found.bound == pytest.approx(optimum, abs=tolerance)


@settings(max_examples=80, deadline=None)
@given(instances_with_minutes())
def test_no_limit_is_exceeded_whatever_an_account_uses_and_no_closed_option_is_taken(
    instance: tuple[Floats, list[Resource]],
):
    values, resources = instance
    found = solve(values, resources)

    used = used_by(resources, found.chosen, values.shape[1])
    assert all(r.most is None or u <= r.most * (1 + 1e-9) for r, u in zip(resources, used, strict=True))
    assert np.isfinite(worth(values, found.chosen)).all()
    assert found.used == pytest.approx(used)


@settings(max_examples=80, deadline=None)
@given(instances_with_minutes())
def test_the_value_never_exceeds_the_bound_and_the_bound_is_no_less_than_the_optimum(
    instance: tuple[Floats, list[Resource]],
):
    values, resources = instance
    found = solve(values, resources)

    assert found.value <= found.bound
    met = [Resource(r.name, r.uses, r.most, min(r.least, u)) for r, u in zip(resources, found.used, strict=True)]
    optimum = best_possible(values, met) if len(values) else 0.0
    assert optimum is not None
    assert optimum <= found.bound + 1e-7 * max(1.0, abs(optimum))


@settings(max_examples=60, deadline=None)
@given(instances(), st.lists(st.floats(0, 1e6), min_size=4, max_size=4))
def test_any_prices_give_a_bound(instance: tuple[Floats, Limits], some: list[float]):
    values, limits = instance
    resources = contacts_of(limits)
    prices = np.array(some[: len(resources)])
    most = np.array([resource.most for resource in resources], dtype=np.float64)
    bound = dual(at_prices(values, resources, prices), np.zeros(len(values)), prices, most, np.zeros(len(resources)))

    optimum = best_possible(values, resources) if len(values) else 0.0
    assert optimum is not None
    assert optimum <= bound + 1e-7 * max(1.0, optimum)


@settings(max_examples=80, deadline=None)
@given(instances(), st.data())
def test_removing_capacity_never_helps(instance: tuple[Floats, Limits], data: st.DataObject):
    values, limits = instance
    option = data.draw(st.integers(0, len(limits) - 1))
    fewer = [*limits]
    fewer[option] = data.draw(st.integers(0, len(values) if limits[option] is None else int(limits[option] or 0)))

    before, after = solve(values, contacts_of(limits)).value, solve(values, contacts_of(fewer)).value

    assert after <= before + 1e-9 * max(1.0, before)


@settings(max_examples=80, deadline=None)
@given(instances(), st.integers(0, 3))
@example((np.array([[999_861.0]]), [0]), 0)  # nothing is worked, and the price stands a tie above what one contact adds
def test_a_price_is_what_one_more_contact_adds(instance: tuple[Floats, Limits], place: int):
    values, limits = instance
    limited = [option for option, limit in enumerate(limits) if limit is not None]
    if not limited:
        return
    which = place % len(limited)
    more = [*limits]
    more[limited[which]] = int(limits[limited[which]] or 0) + 1
    found = solve(values, contacts_of(limits))

    added = solve(values, contacts_of(more)).value - found.value

    near = 1e-6 * max(1.0, found.value) + 2 * TIE * added
    assert found.prices[which] == pytest.approx(added, abs=near) if len(values) else True


@given(instances())
def test_a_resource_with_something_left_costs_nothing(instance: tuple[Floats, Limits]):
    values, limits = instance
    found = solve(values, contacts_of(limits))

    for resource, price, used in zip(contacts_of(limits), found.prices, found.used, strict=True):
        assert price >= 0
        assert price == 0 or used == resource.most


@settings(max_examples=80, deadline=None)
@given(instances_with_minutes())
def test_what_the_live_answers_would_gain_at_prices_is_never_more_than_the_gap(
    instance: tuple[Floats, list[Resource]],
):
    values, resources = instance
    found = solve(values, resources)
    if not values.size:
        return
    left = at_prices(values, resources, found.prices)

    gained = (worth(left, best_options(left)) - worth(left, found.chosen)).sum()
    short = [min(r.least, u) for r, u in zip(resources, found.used, strict=True)]
    free = sum(
        price * ((r.most or 0.0) - u) if price > 0 else price * (low - u)
        for r, price, u, low in zip(resources, found.prices, found.used, short, strict=True)
    )

    assert gained + free == pytest.approx(found.bound - found.value, abs=1e-6 * max(1.0, abs(found.bound)))


@pytest.mark.parametrize("seed", range(3))
def test_at_the_prices_everybody_would_choose_what_the_plan_gives_but_for_ties(seed: int):
    values, limits = portfolio(3_000, seed)
    resources = contacts_of(limits)
    found = solve(values, resources)
    left = at_prices(values, resources, found.prices)
    disagree = best_options(left) != found.chosen

    regret = worth(left, best_options(left)) - worth(left, found.chosen)
    assert disagree.sum() <= 3 * len(resources)
    assert regret.max() < 1e-6


def test_a_day_of_twenty_thousand_accounts_is_within_a_ten_thousandth_of_the_linear_program():
    values, limits = portfolio(20_000)
    found, optimum = solve(values, contacts_of(limits)), best_possible(values, contacts_of(limits))

    assert optimum is not None
    assert abs(found.value / optimum - 1) <= 1e-4
    assert found.gap <= 1e-4


def test_minutes_of_everybodys_own_visits_by_region_and_a_floor_are_kept_within_a_small_gap():
    values, limits = portfolio(20_000)
    n = len(values)
    minutes = np.clip(np.random.default_rng(1).gamma(2, 3, n), 1, None)
    regions = [Resource(f"visits {r}", {6: (np.arange(n) % 5 == r) * 1.0}, 20.0 * (r + 1)) for r in range(5)]
    supported = (np.arange(n) % 7 == 0) * 1.0
    floor = Resource("support", {1: supported, 2: supported, 5: supported}, None, 1_200.0)
    pool = Resource("agent minutes", {5: minutes, 8: 2 * minutes}, 2_000.0)
    resources = [*contacts_of(limits), pool, *regions, floor]
    found = solve(values, resources)

    used = used_by(resources, found.chosen, 9)
    assert all(r.most is None or u <= r.most * (1 + 1e-9) for r, u in zip(resources, used, strict=True))
    assert used[-1] >= 1_200
    assert found.prices[-1] < 0
    assert found.gap <= 1e-4


def test_a_floor_out_of_reach_is_met_as_far_as_it_can_be():
    values = np.array([[5.0], [-2.0], [-np.inf]])
    found = solve(values, [Resource("support", {0: 1.0}, None, 3.0)])

    assert found.chosen.tolist() == [0, 0, NOBODY]
    assert found.value == 3.0


def test_whom_it_costs_to_leave_waiting_goes_first():
    values = np.array([[9.0], [2.0]])

    assert solve(values, contacts_of([1])).chosen.tolist() == [0, NOBODY]
    assert solve(values, contacts_of([1]), nothing=np.array([0.0, -9.0])).chosen.tolist() == [NOBODY, 0]


def test_among_equals_with_two_options_all_places_are_taken_always_in_the_same_way():
    first, again = (solve(np.full((3, 2), 7.0), contacts_of([1, 1])).chosen.tolist() for _ in range(2))

    assert first == again
    assert sorted(first) == [NOBODY, 0, 1]


def test_among_many_equals_the_first_have_the_places():
    found = solve(np.full((500, 1), 7.0), contacts_of([40]))

    assert found.chosen.tolist() == [0] * 40 + [NOBODY] * 460


def test_the_values_given_are_not_changed():
    values = np.array([[5.0, 1.0], [4.0, 3.0]])

    solve(values, contacts_of([1, 1]))

    assert values.tolist() == [[5.0, 1.0], [4.0, 3.0]]
