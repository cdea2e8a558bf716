"""Margins of all models from one set of arrays are LightGBM's to the bit, whatever the recipe and the row."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import FeatureError
from scoring.scores.forest_tables import ROWS_PER_TASK, exact_forest_tables, forest_tables, predicted
from tests.scores.test_contributions import SPECIAL_VALUES, a_booster, recipes, some_rows

Singles = npt.NDArray[np.float32]


def singles(n_rows: int, n_features: int, seed: int, missing: float = 0.3) -> Singles:
    rows = some_rows(n_rows, n_features, seed, missing)
    special = np.random.default_rng(seed).random(rows.shape) < 0.1
    rows[special] = np.random.default_rng(seed).choice(SPECIAL_VALUES, special.sum())
    return rows.astype(np.float32)


def assert_lightgbms_bits(boosters: dict[str, lightgbm.Booster], rows: Singles, threads: int = 1) -> None:
    tables = forest_tables(boosters)
    assert set(tables.names) == set(boosters)
    for name, margin in zip(boosters, tables.margins(list(boosters), rows, threads=threads), strict=True):
        assert margin.tobytes() == predicted(boosters[name], rows).tobytes(), name


@settings(max_examples=60, deadline=None)
@given(
    both=st.tuples(recipes, recipes),
    n_features=st.integers(1, 12),
    n_trees=st.integers(1, 12),
    n_rows=st.integers(1, 90),
    seed=st.integers(0, 1_000),
)
def test_margins_are_those_of_lightgbm_to_the_bit_whatever_the_recipe(
    both: tuple[dict[str, Any], ...], n_features: int, n_trees: int, n_rows: int, seed: int
) -> None:
    boosters = {
        str(place): a_booster(some_rows(300, n_features, seed + place), n_trees, **recipe)
        for place, recipe in enumerate(both)
    }

    assert_lightgbms_bits(boosters, singles(n_rows, n_features, seed + 7))


def test_deep_trees_and_many_rows_in_threads_come_out_the_same() -> None:
    boosters = {
        "deep": a_booster(some_rows(2_000, 6), 20, num_leaves=200, max_depth=-1),
        "flat": a_booster(some_rows(9, 6), 3),
    }

    assert_lightgbms_bits(boosters, singles(ROWS_PER_TASK + 50, 6, 3), threads=2)


def test_a_value_on_a_threshold_goes_the_way_it_goes_in_lightgbm() -> None:
    booster = a_booster(some_rows(500, 4), 10)
    on_edge = np.unique(forest_tables({"one": booster}).node_threshold)
    rows = np.repeat(np.concatenate([on_edge, np.nextafter(on_edge, np.float32(np.inf))])[:, None], 4, axis=1)

    assert_lightgbms_bits({"one": booster}, rows)


def test_a_model_with_categories_is_left_out_and_the_others_stay() -> None:
    rows = np.abs(some_rows(300, 4).round())
    boosters = {"numbers": a_booster(rows, 5), "categories": a_booster(rows, 5, categories=[0])}

    assert exact_forest_tables(boosters, rows[:5].astype(np.float32)).names == ("numbers",)


def test_a_model_that_comes_out_different_on_the_sample_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = some_rows(300, 4)
    boosters = {"same": a_booster(rows, 5), "other": a_booster(rows, 6)}
    real = predicted

    def off_by_a_bit(booster: lightgbm.Booster, of: Singles) -> npt.NDArray[np.float64]:
        found = real(booster, of)
        return np.nextafter(found, 1.0) if booster is boosters["other"] else found

    monkeypatch.setattr("scoring.scores.forest_tables.predicted", off_by_a_bit)

    assert exact_forest_tables(boosters, rows[:5].astype(np.float32)).names == ("same",)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(FeatureError, match="has shape \\(1, 3\\) but the model reads 4 features a row"):
        forest_tables({"one": a_booster(some_rows(100, 4), 2)}).margins(["one"], np.zeros((1, 3), np.float32))
