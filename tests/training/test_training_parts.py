"""The parts of training: recipes, splits by customer and time, conformal margins, figures, gates, pins and bundles."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import AsOfError, BadRequestError, BundleError, NotReadyError
from scoring.scores.bundle import load_bundle
from scoring.scores.pins import Pin, read_pin, write_pin
from scoring.scores.targets import TargetDefinition
from training.evaluation import captured, evaluation_table, metrics
from training.fitting import conformal_margin
from training.gates import gate_findings
from training.recipe import RECIPES, read_recipe
from training.snapshots import is_held_out, split_days


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_shipped_is_valid_and_within_the_depth_that_leaf_tables_serve(path: Path) -> None:
    assert read_recipe(path).lightgbm["max_depth"] <= 8


def test_a_recipe_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(read_recipe(None).text.replace("num_leaves", "nmu_leaves"))
    with pytest.raises(BadRequestError, match=r"missing \['num_leaves'\], unknown \['nmu_leaves'\]"):
        read_recipe(path)


def test_a_recipe_deeper_than_the_leaf_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(read_recipe(None).text.replace("max_depth     = 6", "max_depth     = 9"))
    with pytest.raises(BadRequestError, match="max_depth 9 is outside 1 to 8"):
        read_recipe(path)


def test_thresholds_in_major_units_follow_the_currency() -> None:
    assert read_recipe(None).definition("CNY").materiality_cents == 10_000
    assert read_recipe(None).definition("JPY").materiality_cents == 100


def test_training_days_closer_than_the_horizon_to_the_test_day_are_refused() -> None:
    with pytest.raises(AsOfError, match="overlap the test"):
        split_days((date(2025, 5, 2), date(2025, 5, 31)), TargetDefinition())


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=50, unique=True),
    st.floats(0.1, 0.9),
)
def test_a_customer_is_held_out_or_not_whatever_else_is_in_the_portfolio(customers: list[str], share: float) -> None:
    together = is_held_out(pd.Series(customers), share)
    alone = [bool(is_held_out(pd.Series([customer]), share)[0]) for customer in customers]
    assert together.tolist() == alone


def test_turns_hold_out_everybody_equally_often() -> None:
    ids = pd.Series([f"C{n}" for n in range(2000)])
    assert set(sum(is_held_out(ids, 0.3, shift=turn / 10).astype(int) for turn in range(10))) == {3}


@given(st.integers(20, 300), st.integers(0, 10_000))
def test_the_conformal_margin_covers_its_own_calibration_rows(n: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    low, high, share = draw.uniform(0, 0.5, n), draw.uniform(0.5, 1, n), draw.uniform(0, 1, n)
    margin = conformal_margin(low, high, share, 0.8)
    assert ((share >= low - margin - 1e-9) & (share <= high + margin + 1e-9)).mean() >= 0.8


def test_figures_are_those_of_a_hand_counted_table() -> None:
    scored = pd.DataFrame(
        {"dpd": [1, 2, 3, 4], "cure_amount_cents": [100] * 4, "w_logged": [0.9, 0.8, 0.2, 0.1], "ability": [1.0] * 4}
    )
    targets = pd.DataFrame(
        {"paid_cents": [100, 50, 0, 0], "willingness": [1.0, 1.0, 0.0, 0.0], "ability": [1.0, 0.5, np.nan, np.nan]}
    )
    seen = metrics(evaluation_table(scored.assign(ability=[1.0, 0.9, 0.8, 0.7]), targets))
    assert seen["willingness_auc"] == 1.0
    assert seen["willingness_brier"] == pytest.approx((0.01 + 0.04 + 0.04 + 0.01) / 4)
    assert seen["cash_ratio"] == pytest.approx((90 + 72 + 16 + 7) / 150)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=60), st.floats(0.05, 1.0))
def test_the_best_order_captures_at_least_as_much_money_as_any_other(paid: list[float], share: float) -> None:
    money = np.array(paid)
    if money.sum() > 0:
        assert captured(money, money, share) >= captured(money, -money, share) - 1e-12


def test_all_gate_findings_come_at_once() -> None:
    found = {finding.gate for finding in gate_findings({"n": 10, "willingness_auc": 0.99, "cash_ratio": 3.0})}
    assert {"n_test_at_least", "willingness_auc_leak", "cash_ratio_high", "ability_r2_low"} <= found


def test_a_pin_reads_back_as_written(tmp_path: Path) -> None:
    pin = Pin(
        "ab" * 32,
        "abab",
        "3",
        "run",
        'O\'Neil "Q"',
        "2026-11-21T00:00:00+00:00",
        "试点\nline two",
        ("warning: x", "error: y"),
    )
    write_pin(tmp_path, pin)
    assert read_pin(tmp_path) == pin


def test_a_damaged_pin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "champion.toml").write_text("bundle_id = 3\n")
    with pytest.raises(BundleError, match="Promote the bundle again"):
        read_pin(tmp_path)


def test_without_a_pin_nothing_is_ready(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="scoring promote"):
        read_pin(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other/9"}', '{"schema": "collections-bundle/1"}', "null"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(BundleError):
        load_bundle(tmp_path)
