"""Contributions from leaf tables: equal to LightGBM's own, additive, and the same to the bit whatever the batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import BundleError, ContributionsError, FeatureError
from scoring.scores.compiled import compiled
from scoring.scores.contributions import (
    ROWS_PER_TASK,
    assert_additive,
    contributions,
    contributions_reference,
    explained,
    tables_where_possible,
)
from scoring.scores.leaf_tables import leaf_tables

Rows = npt.NDArray[np.float64]

QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True, "seed": 1}
SPECIAL_VALUES = [np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-34, -1e-34, np.inf, -np.inf, 1e30]


def some_rows(n_rows: int, n_features: int, seed: int = 0, missing: float = 0.15) -> Rows:
    """Float32 numbers, rounded so that zeros and ties are common; the last feature is constant."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_features)).astype(np.float32).astype(np.float64)
    rows[:, ::2] = rows[:, ::2].round(1)
    rows[rng.random(rows.shape) < missing] = np.nan
    if n_features > 1:
        rows[:, -1] = 3.0
    return rows


def a_booster(
    rows: Rows, n_trees: int = 10, weight: Rows | None = None, categories: Any = "auto", **recipe: Any
) -> lightgbm.Booster:
    """A booster that learns a rough, interacting function of the rows."""
    filled = np.nan_to_num(rows, nan=0.7)
    signal = filled[:, 0] + np.sin(3 * filled[:, -1]) + filled[:, 0] * filled[:, len(filled[0]) // 2]
    noise = np.random.default_rng(5).normal(size=len(rows))
    outcome = (signal + noise > 0.5).astype(float)
    if recipe.get("objective") == "cross_entropy":
        outcome = 1 / (1 + np.exp(-signal - noise))
    defaults = {"objective": "binary", "min_data_in_leaf": 3, "num_leaves": 31, "max_depth": 8}
    train = lightgbm.Dataset(rows, outcome, weight=weight, categorical_feature=categories)
    return lightgbm.train({**QUIET, **defaults, **recipe}, train, n_trees)


@cache
def the_usual_booster() -> lightgbm.Booster:
    return a_booster(some_rows(2_000, 12), n_trees=30)


def margin(booster: lightgbm.Booster, rows: Rows) -> Rows:
    return np.asarray(booster.predict(rows, raw_score=True, num_threads=1))


def assert_same_as_lightgbm(booster: lightgbm.Booster, rows: Rows) -> None:
    reference = contributions_reference(booster, rows)
    np.testing.assert_allclose(contributions(leaf_tables(booster), rows), reference, rtol=0, atol=1e-12)


recipes = st.fixed_dictionaries(
    {
        "objective": st.sampled_from(["binary", "cross_entropy", "regression"]),
        "num_leaves": st.integers(2, 60),
        "max_depth": st.integers(1, 8),
        "boosting": st.sampled_from(["gbdt", "gbdt", "dart"]),
        "boost_from_average": st.booleans(),
        "use_missing": st.sampled_from([True, True, False]),
        "zero_as_missing": st.booleans(),
        "bagging_fraction": st.sampled_from([1.0, 0.5]),
        "bagging_freq": st.just(1),
        "min_data_in_leaf": st.sampled_from([1, 5, 100]),
        "max_bin": st.sampled_from([7, 63, 255]),
    }
)


@settings(max_examples=200, deadline=None)
@given(
    recipe=recipes,
    n_features=st.integers(1, 12),
    n_trees=st.integers(1, 12),
    seed=st.integers(0, 1_000),
    is_weighted=st.booleans(),
    is_monotone=st.booleans(),
)
def test_leaf_tables_give_the_contributions_of_lightgbm_whatever_the_recipe(
    recipe: dict[str, Any], n_features: int, n_trees: int, seed: int, is_weighted: bool, is_monotone: bool
) -> None:
    rows = some_rows(400, n_features, seed)
    weight = np.random.default_rng(seed).uniform(0.1, 5.0, len(rows)) if is_weighted else None
    if is_monotone:
        recipe = {**recipe, "monotone_constraints": [1 - feature % 3 for feature in range(n_features)]}
    booster = a_booster(rows, n_trees, weight, **recipe)

    assert_same_as_lightgbm(booster, some_rows(90, n_features, seed + 1, missing=0.4))
    assert_same_as_lightgbm(booster, rows[:3])


@settings(max_examples=40, deadline=None)
@given(n_rows=st.integers(1, 200), chosen=st.integers(0, 199), seed=st.integers(0, 1_000), threads=st.integers(1, 3))
def test_a_row_comes_out_the_same_to_the_bit_whatever_rows_stand_around_it(
    n_rows: int, chosen: int, seed: int, threads: int
) -> None:
    tables = leaf_tables_of_the_usual_booster()
    rows = some_rows(n_rows, 12, seed)
    order = np.random.default_rng(seed).permutation(n_rows)
    chosen %= n_rows

    together = contributions(tables, rows, threads=threads)

    assert together[chosen].tobytes() == contributions(tables, rows[chosen : chosen + 1]).tobytes()
    assert together[order].tobytes() == contributions(tables, rows[order]).tobytes()
    assert together[:chosen].tobytes() == contributions(tables, rows[:chosen]).tobytes()


@cache
def leaf_tables_of_the_usual_booster() -> Any:
    return leaf_tables(the_usual_booster())


@pytest.mark.parametrize("n_rows", [ROWS_PER_TASK - 1, ROWS_PER_TASK + 1, 2 * ROWS_PER_TASK + 70])
def test_the_number_of_threads_changes_no_bit(n_rows: int) -> None:
    tables = leaf_tables_of_the_usual_booster()
    rows = some_rows(n_rows, 12, seed=3)

    one_thread = contributions(tables, rows, threads=1)

    assert contributions(tables, rows, threads=2).tobytes() == one_thread.tobytes()
    assert contributions(tables, rows, threads=5).tobytes() == one_thread.tobytes()
    assert contributions(tables, rows[-1:]).tobytes() == one_thread[-1:].tobytes()


def test_layout_and_type_of_the_feature_array_change_no_bit() -> None:
    tables = leaf_tables_of_the_usual_booster()
    rows = some_rows(100, 12)
    read_only = rows.copy()
    read_only.flags.writeable = False
    padded = np.full((200, 12), 99.0)
    padded[::2] = rows

    expected = contributions(tables, rows).tobytes()

    for same_rows in (np.asfortranarray(rows), read_only, padded[::2], rows.astype(np.float32), rows.tolist()):
        assert contributions(tables, same_rows).tobytes() == expected


def test_one_row_of_nothing_but_missing_values_is_explained_like_any_other() -> None:
    assert_same_as_lightgbm(the_usual_booster(), np.full((1, 12), np.nan))


@pytest.mark.parametrize("missing", [{}, {"zero_as_missing": True}, {"use_missing": False}])
@pytest.mark.parametrize("n_rows", [2, 100])
def test_zeros_almost_zeros_and_infinities_go_where_lightgbm_sends_them(missing: dict[str, Any], n_rows: int) -> None:
    booster = a_booster(some_rows(1_000, 6), **missing)
    rows = np.random.default_rng(2).choice(SPECIAL_VALUES, size=(n_rows, 6))

    assert_same_as_lightgbm(booster, rows)


def test_a_model_that_saw_no_missing_value_reads_one_as_zero_as_lightgbm_does() -> None:
    booster = a_booster(some_rows(1_000, 6, missing=0.0))

    assert_same_as_lightgbm(booster, some_rows(100, 6, seed=4, missing=0.5))


def test_eight_distinct_features_on_a_path_fill_a_byte() -> None:
    rows = some_rows(3_000, 9, missing=0.05)
    booster = a_booster(rows, n_trees=3, num_leaves=256, max_depth=8, min_data_in_leaf=1, feature_fraction_bynode=0.2)

    tables = leaf_tables(booster)

    assert np.diff(tables.entry_starts).max() >= 256 * 8
    assert np.diff(tables.tree_split_starts).max() > 150
    assert_same_as_lightgbm(booster, rows[:200])


def test_a_feature_that_repeats_all_along_a_path_is_one_feature() -> None:
    rows = some_rows(2_000, 2)
    booster = a_booster(rows, n_trees=5, num_leaves=60, max_depth=8)

    assert_same_as_lightgbm(booster, rows[:100])


def test_a_stump_gives_its_leaf_against_the_mean_of_all_rows() -> None:
    rows = np.arange(100.0).reshape(-1, 1)
    target = np.where(rows[:, 0] < 25, 8.0, 0.0)
    recipe = {**QUIET, "objective": "regression", "num_leaves": 2, "learning_rate": 1.0}
    booster = lightgbm.train(recipe, lightgbm.Dataset(rows, target), 1)

    explained_rows = contributions(leaf_tables(booster), [[3.0], [99.0]])

    np.testing.assert_allclose(explained_rows, [[6.0, 2.0], [-2.0, 2.0]], atol=1e-6)


def test_a_model_of_one_leaf_explains_nothing_but_its_expected_margin() -> None:
    rows = some_rows(200, 3)
    booster = a_booster(rows, min_data_in_leaf=150)

    explained_rows = contributions(leaf_tables(booster), rows[:2])

    assert explained_rows[:, :-1].tolist() == [[0.0, 0.0, 0.0]] * 2
    assert explained_rows[:, -1].tolist() == margin(booster, rows[:2]).tolist()


def test_after_early_stopping_the_trees_that_predict_are_the_trees_explained() -> None:
    rows, later = some_rows(600, 5), some_rows(300, 5, seed=9)
    noisy = [(np.nan_to_num(x[:, 0]) + np.sin(40 * np.nan_to_num(x[:, 1])) > 0).astype(float) for x in (rows, later)]
    train = lightgbm.Dataset(rows, noisy[0])
    recipe = {**QUIET, "objective": "binary", "num_leaves": 8}
    stop: list[Callable[..., Any]] = [lightgbm.early_stopping(5, verbose=False)]
    held_out = train.create_valid(later, noisy[1])
    booster = lightgbm.train(recipe, train, 200, valid_sets=[held_out], callbacks=stop, keep_training_booster=True)
    assert 0 < booster.best_iteration < booster.current_iteration()

    assert_same_as_lightgbm(booster, later)
    assert_additive(contributions(leaf_tables(booster), later), margin(booster, later))


def test_a_saved_model_has_the_same_tables_to_the_bit() -> None:
    booster = the_usual_booster()
    saved = lightgbm.Booster(model_str=booster.model_to_string())

    for original, copy in zip(leaf_tables(booster).arrays, leaf_tables(saved).arrays, strict=True):
        assert original.tobytes() == copy.tobytes()


def test_no_rows_give_no_contributions() -> None:
    booster = the_usual_booster()

    assert contributions(leaf_tables(booster), np.empty((0, 12))).shape == (0, 13)
    assert contributions_reference(booster, np.empty((0, 12))).shape == (0, 13)


def test_shap_agrees() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap and what it imports warn about others' deprecations
        import shap

        explainer = shap.TreeExplainer(the_usual_booster())
        rows = some_rows(20, 12, seed=8)
        values = explainer.shap_values(rows)

    found = contributions(leaf_tables_of_the_usual_booster(), rows)

    np.testing.assert_allclose(found[:, :-1], values, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[:, -1], explainer.expected_value, rtol=0, atol=1e-9)


def test_contributions_add_up_to_the_margin() -> None:
    booster = the_usual_booster()
    rows = some_rows(500, 12, seed=6)

    assert_additive(contributions(leaf_tables(booster), rows), margin(booster, rows), tolerance=1e-12)


def test_contributions_of_another_model_are_refused_with_the_worst_row() -> None:
    rows = some_rows(50, 12)
    found = contributions(leaf_tables_of_the_usual_booster(), rows)
    margins = margin(the_usual_booster(), rows)
    margins[[7, 31]] += [0.1, -0.2]

    with pytest.raises(ContributionsError, match=r"Row 31: .* off by 0\.2 where 1e-09 is allowed") as refusal:
        assert_additive(found, margins)

    assert refusal.value.as_dict()["code"] == "contributions_do_not_add_up"


def test_a_contribution_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ContributionsError, match="Row 1: "):
        assert_additive(np.array([[0.0, 1.0], [np.nan, 1.0]]), np.array([1.0, 1.0]))


def test_contributions_of_other_rows_are_refused() -> None:
    with pytest.raises(ContributionsError, match="2 rows of contributions stand against 3 margins"):
        assert_additive(np.zeros((2, 3)), np.zeros(3))


@pytest.mark.parametrize(
    ("recipe", "seen"),
    [
        ({"categories": [0], "min_data_per_group": 5, "cat_smooth": 1}, "splits tree 0 on a category"),
        ({"max_depth": -1, "num_leaves": 200, "min_data_in_leaf": 1}, r"is \d+ splits deep in tree 0"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averages its trees"),
    ],
)
def test_a_model_that_tables_cannot_hold_is_refused_and_explained_by_lightgbm(
    recipe: dict[str, Any], seen: str
) -> None:
    rows = some_rows(800, 4, missing=0.0)
    rows[:, 0] = np.random.default_rng(3).integers(0, 9, len(rows))
    booster = a_booster(rows, n_trees=3, **recipe)

    with pytest.raises(BundleError, match=seen):
        leaf_tables(booster)
    answer = explained(lambda: booster, tables_where_possible(booster), rows[:5])

    assert answer.method == "pred_contrib"
    assert answer.contributions.tobytes() == contributions_reference(booster, rows[:5]).tobytes()


def test_a_model_with_linear_leaves_is_refused_by_both_ways() -> None:
    rows = some_rows(800, 4, missing=0.0)
    booster = a_booster(rows, linear_tree=True)

    with pytest.raises(BundleError, match="has linear leaves in tree 0"):
        leaf_tables(booster)
    with pytest.raises(BundleError, match="LightGBM refuses to explain this model"):
        explained(lambda: booster, None, rows[:1])


def test_a_model_with_a_margin_per_class_is_refused() -> None:
    rows = some_rows(300, 3)
    recipe = {**QUIET, "objective": "multiclass", "num_class": 3}
    booster = lightgbm.train(recipe, lightgbm.Dataset(rows, np.arange(300) % 3), 1)

    with pytest.raises(BundleError, match="several margins per row"):
        leaf_tables(booster)


def test_a_node_that_no_training_row_reached_is_refused() -> None:
    text = a_booster(some_rows(300, 3), n_trees=1, num_leaves=2).model_to_string()
    counts = next(line for line in text.splitlines() if line.startswith("leaf_count="))
    emptied = lightgbm.Booster(model_str=text.replace(counts, "leaf_count=0 300"))

    with pytest.raises(BundleError, match="node without training rows in tree 0"):
        leaf_tables(emptied)


def test_leaf_tables_are_used_where_the_model_has_them() -> None:
    rows = some_rows(5, 12)

    answer = explained(the_usual_booster, tables_where_possible(the_usual_booster()), rows)

    assert answer.method == "leaf_tables"
    assert answer.contributions.tobytes() == contributions(leaf_tables_of_the_usual_booster(), rows).tobytes()


@pytest.mark.parametrize("shape", [(3, 11), (3, 13), (12,), (1, 3, 12)])
def test_an_array_of_another_width_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureError, match="the model reads 12 features a row"):
        contributions(leaf_tables_of_the_usual_booster(), np.zeros(shape))


def test_an_array_of_words_is_refused() -> None:
    with pytest.raises(FeatureError, match="where the model reads numbers"):
        contributions(leaf_tables_of_the_usual_booster(), np.full((1, 12), "many"))


def test_a_function_without_a_folder_for_its_machine_code_is_compiled_all_the_same() -> None:
    nowhere: dict[str, Any] = {}
    exec(compile("def twice(x):\n    return 2.0 * x", "/proc/nowhere/twice.py", "exec"), nowhere)

    assert compiled(nowhere["twice"], "float64(float64)")(21.0) == 42.0
