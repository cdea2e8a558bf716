"""Reasons of the rank: grouped Shapley values of willingness x ability, exact, complete, and how stable they are."""

from __future__ import annotations

from itertools import product
from math import factorial

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.scores.coalitions import paths
from scoring.scores.rank_reasons import Hybrids, RankExplainer

N_FEATURES = 6
GROUPS = [0, 0, 1, 1, 2, 3]
N_GROUPS = 4


def link(margins: np.ndarray, hybrids: Hybrids) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-margins))


def shifted_link(margins: np.ndarray, hybrids: Hybrids) -> np.ndarray:
    """A served probability that reads features of its own, as channel shifts do."""
    return link(margins + np.where(hybrids.feature(3) > 0.5, 0.4, -0.2), hybrids)


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


def by_enumeration(
    models: list[lightgbm.Booster], row: np.ndarray, references: np.ndarray, shift: bool = False
) -> np.ndarray:
    """Every coalition as hybrid rows through LightGBM itself."""
    worth = {}
    for members in product([False, True], repeat=N_GROUPS):
        hybrid = np.where(np.array(members)[GROUPS], row, references)
        margins = models[0].predict(hybrid, raw_score=True) + (
            np.where(hybrid[:, 3] > 0.5, 0.4, -0.2) if shift else 0.0
        )
        worth[members] = float(np.mean(1.0 / (1.0 + np.exp(-margins)) * models[1].predict(hybrid)))
    found = np.zeros(N_GROUPS)
    for group in range(N_GROUPS):
        for members, value in worth.items():
            if not members[group]:
                size = sum(members)
                joined = tuple(one or place == group for place, one in enumerate(members))
                weight = factorial(size) * factorial(N_GROUPS - 1 - size) / factorial(N_GROUPS)
                found[group] += weight * (worth[joined] - value)
    return found


def explainer(models: list[lightgbm.Booster], references: np.ndarray, *, served=link) -> RankExplainer:
    names = ("willingness", "ability")
    return RankExplainer(
        groups=("one", "two", "three", "four"),
        group_of=tuple(GROUPS),
        references=references,
        paths={name: paths(model, GROUPS, references) for name, model in zip(names, models, strict=True)},
        served={"willingness": served, "ability": link},
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.booleans())
def test_the_products_values_equal_brute_force_enumeration(seed: int, n_references: int, shift: bool) -> None:
    models = [a_model(seed), a_model(seed + 1, use_missing=bool(seed % 2), zero_as_missing=bool(seed % 3 == 0))]
    references, rows = some_rows(seed + 2, n_references), some_rows(seed + 3, 3)

    found = explainer(models, references, served=shifted_link if shift else link).explain(rows)

    for place, row in enumerate(rows):
        assert found.values[place] == pytest.approx(by_enumeration(models, row, references, shift), abs=1e-12)


def test_reference_and_values_add_up_to_the_product_of_the_two_served_probabilities() -> None:
    models, rows = [a_model(1), a_model(2)], some_rows(3, 200)

    found = explainer(models, some_rows(4, 40)).explain(rows)

    served = models[0].predict(rows) * models[1].predict(rows)
    assert np.abs(found.product - served).max() < 1e-12
    assert np.abs(found.reference + found.values.sum(axis=1) - served).max() < 1e-12


def test_an_account_like_every_reference_has_nothing_to_explain() -> None:
    models, row = [a_model(5), a_model(6)], some_rows(7, 1)

    found = explainer(models, np.repeat(row, 3, axis=0)).explain(row)

    assert np.abs(found.values).max() < 1e-15


def test_a_row_alone_and_in_a_batch_gets_the_same_bits() -> None:
    made, rows = explainer([a_model(8), a_model(9)], some_rows(11, 10)), some_rows(10, 20)

    batch = made.explain(rows)

    alone = [made.explain(rows[k : k + 1]) for k in range(20)]
    assert batch.values.tobytes() == np.concatenate([one.values for one in alone]).tobytes()
    assert batch.kept["ability"].tobytes() == np.concatenate([one.kept["ability"] for one in alone]).tobytes()


def test_with_one_reference_every_resample_is_alike_so_reasons_are_kept_always_or_never() -> None:
    models = [a_model(8), a_model(9)]

    kept = explainer(models, some_rows(11, 1)).explain(some_rows(10, 20)).kept

    assert set(np.unique(kept["willingness"])) <= {0.0, 1.0}


def test_among_no_more_groups_than_reasons_every_group_is_kept() -> None:
    kept = explainer([a_model(1), a_model(2)], some_rows(3, 10)).explain(some_rows(4, 5)).kept

    assert kept["ability"].tolist() == [[1.0] * N_GROUPS] * 5


def test_a_forest_of_one_leaf_each_gives_every_group_nothing() -> None:
    flat = lightgbm.train(
        {"objective": "binary", "min_data_in_leaf": 1000, "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(some_rows(1, 50), np.arange(50) % 2),
        2,
    )

    found = explainer([flat, flat], some_rows(3, 4)).explain(some_rows(2, 2))

    assert found.values.tolist() == [[0.0] * N_GROUPS] * 2


def test_too_many_groups_are_refused_because_their_coalitions_double_each_time() -> None:
    with pytest.raises(ValueError, match="13 groups have too many coalitions; put features into at most 12"):
        paths(a_model(1), [0, 1, 2, 3, 4, 12], some_rows(1, 2))
