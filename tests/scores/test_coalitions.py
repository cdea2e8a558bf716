"""Grouped Shapley values of the product willingness x ability: exact, complete, and blind to what does not matter."""

from __future__ import annotations

from itertools import product
from math import factorial

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.scores.coalitions import Paths, paths, product_values

N_FEATURES = 6
GROUPS = [0, 0, 1, 1, 2, 3]
N_GROUPS = 4


def link(margins: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-margins))


def a_model(seed: int, **more: object) -> lightgbm.Booster:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(600, N_FEATURES)).astype(np.float32)
    x[draw.random(x.shape) < 0.15] = np.nan
    x[draw.random(x.shape) < 0.15] = 0.0
    y = (np.nan_to_num(x @ draw.normal(size=N_FEATURES)) + draw.normal(size=600) > 0).astype(float)
    recipe = {
        "objective": "binary", "num_leaves": 12, "min_data_in_leaf": 10, "verbose": -1, "num_threads": 1, "seed": seed, **more,
    }  # fmt: skip
    return lightgbm.train(recipe, lightgbm.Dataset(x, y), 12)


def some_rows(seed: int, n: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, N_FEATURES)).astype(np.float32)
    rows[draw.random(rows.shape) < 0.2] = np.nan
    rows[draw.random(rows.shape) < 0.2] = 0.0
    return rows


def by_enumeration(models: list[lightgbm.Booster], row: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Every coalition as hybrid rows through LightGBM itself."""
    worth = {}
    for members in product([False, True], repeat=N_GROUPS):
        hybrid = np.where(np.array(members)[GROUPS], row, references)
        worth[members] = float(np.mean(models[0].predict(hybrid) * models[1].predict(hybrid)))
    found = np.zeros(N_GROUPS)
    for group in range(N_GROUPS):
        for members, value in worth.items():
            if not members[group]:
                size = sum(members)
                joined = tuple(one or place == group for place, one in enumerate(members))
                weight = factorial(size) * factorial(N_GROUPS - 1 - size) / factorial(N_GROUPS)
                found[group] += weight * (worth[joined] - value)
    return found


def taken_apart(models: list[lightgbm.Booster], references: np.ndarray) -> list[Paths]:
    return [paths(model, GROUPS, references) for model in models]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_the_products_values_equal_brute_force_enumeration(seed: int, n_references: int) -> None:
    models = [a_model(seed), a_model(seed + 1, use_missing=bool(seed % 2), zero_as_missing=bool(seed % 3 == 0))]
    references, rows = some_rows(seed + 2, n_references), some_rows(seed + 3, 3)

    found = product_values(rows, *taken_apart(models, references), willingness_link=link, ability_link=link)

    for place, row in enumerate(rows):
        assert found.values[place] == pytest.approx(by_enumeration(models, row, references), abs=1e-12)


def test_reference_and_values_add_up_to_the_product_of_the_two_served_probabilities() -> None:
    models, rows = [a_model(1), a_model(2)], some_rows(3, 200)

    found = product_values(rows, *taken_apart(models, some_rows(4, 40)), willingness_link=link, ability_link=link)

    served = models[0].predict(rows) * models[1].predict(rows)
    assert np.abs(found.product - served).max() < 1e-12
    assert np.abs(found.reference + found.values.sum(axis=1) - served).max() < 1e-12


def test_an_account_like_every_reference_has_nothing_to_explain() -> None:
    models, row = [a_model(5), a_model(6)], some_rows(7, 1)

    found = product_values(
        row, *taken_apart(models, np.repeat(row, 3, axis=0)), willingness_link=link, ability_link=link
    )

    assert np.abs(found.values).max() < 1e-15


def test_a_row_alone_and_in_a_batch_gets_the_same_bits() -> None:
    models, rows = [a_model(8), a_model(9)], some_rows(10, 20)
    w, a = taken_apart(models, some_rows(11, 10))

    batch = product_values(rows, w, a, willingness_link=link, ability_link=link).values

    alone = [
        product_values(rows[k : k + 1], w, a, willingness_link=link, ability_link=link).values[0] for k in range(20)
    ]
    assert batch.tobytes() == np.array(alone).tobytes()


def test_a_forest_of_one_leaf_each_gives_every_group_nothing() -> None:
    flat = lightgbm.train(
        {"objective": "binary", "min_data_in_leaf": 1000, "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(some_rows(1, 50), np.arange(50) % 2),
        2,
    )

    found = product_values(
        some_rows(2, 2), *taken_apart([flat, flat], some_rows(3, 4)), willingness_link=link, ability_link=link
    )

    assert found.values.tolist() == [[0.0] * N_GROUPS] * 2


def test_too_many_groups_are_refused_because_their_coalitions_double_each_time() -> None:
    with pytest.raises(ValueError, match="13 groups have too many coalitions; put features into at most 12"):
        paths(a_model(1), [0, 1, 2, 3, 4, 12], some_rows(1, 2))
