"""Fitting the further probabilities: on which days, for whom, and what is left out with a finding instead of being made up."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.features.builder import build
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables, read_portfolio
from scoring.scores.outcomes import EARLY_WARNING, OUTCOMES
from scoring.scores.targets import TargetDefinition
from training import early_warning as early
from training.outcomes import FittedOutcomes, days_of, fit_outcomes, frame_of_everybody, judged
from training.recipe import read_recipe
from training.simulator import simulate
from training.snapshots import default_days

ROOT = Path(__file__).resolve().parents[2]
RECIPE = read_recipe(None)
SMALL = portfolio_from_tables(SMALLEST)
ASKED = ("p_cure_30d", "p_contact_agent_call", "p_contact_field_visit", "p_m3_90d")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("outcomes") / "portfolio", 2000, 3, months=14, truth_on=[])


def fitted_on(folder: Path, only: tuple[str, ...]) -> FittedOutcomes:
    portfolio = read_portfolio(folder, threads=1)
    train_days, test_day = default_days(portfolio, RECIPE.definition(portfolio.currency), 3)
    return fit_outcomes(portfolio, [*train_days, test_day], RECIPE, only=only)


@pytest.fixture(scope="module")
def fitted(folder: Path) -> FittedOutcomes:
    return fitted_on(folder, ASKED)


def test_what_can_be_learned_is_judged_and_what_cannot_is_said(fitted: FittedOutcomes) -> None:
    left_out = {finding.outcome for finding in fitted.findings if finding.message.startswith("not learned")}
    assert set(fitted.boosters) | left_out == set(ASKED)
    assert set(fitted.boosters).isdisjoint(left_out)
    assert set(fitted.figures) == set(fitted.boosters) >= {"p_cure_30d", "p_m3_90d"}


def test_the_test_day_lies_a_whole_window_after_every_training_day(fitted: FittedOutcomes) -> None:
    for name, (train_days, test_day) in fitted.days.items():
        assert (test_day - max(train_days)).days >= (OUTCOMES[name].days or 30), name


def test_a_cure_is_told_better_than_by_chance_and_the_expected_number_is_near_the_seen(fitted: FittedOutcomes) -> None:
    figures = fitted.figures["p_cure_30d"]
    assert figures["auc"] > 0.6
    assert figures["predicted"] == pytest.approx(figures["rate"], abs=0.12)


def test_the_same_portfolio_gives_the_same_models_to_the_byte(folder: Path, fitted: FittedOutcomes) -> None:
    again = fitted_on(folder, ("p_cure_30d",)).boosters["p_cure_30d"]
    assert again.model_to_string() == fitted.boosters["p_cure_30d"].model_to_string()


def test_without_a_contact_log_nothing_about_contacts_is_learned(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("contacts*", "truth"))
    found = fitted_on(bare, ("p_contact_sms", "p_self_cure_30d"))
    assert found.boosters == {}
    assert {finding.message for finding in found.findings} == {"not learned: table contacts was not delivered."}


def test_thirty_accounts_teach_nothing_and_every_model_says_so() -> None:
    portfolio = read_portfolio(ROOT / "data" / "sample", threads=1)
    days = [date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30)]
    found = fit_outcomes(portfolio, days, RECIPE)
    assert found.boosters == {}
    assert {finding.outcome for finding in found.findings} == set(OUTCOMES)


@given(st.lists(st.dates(date(2024, 6, 1), date(2025, 3, 30)), min_size=1, max_size=8))
def test_days_of_early_warning_have_matured_and_lie_apart(days: list[date]) -> None:
    train_days, test_day = days_of(EARLY_WARNING, [*days, date(2025, 3, 31)], SMALL, TargetDefinition())
    assert test_day + timedelta(days=100) < SMALL.extract_on
    assert all((test_day - day).days >= 90 for day in train_days)


def test_figures_are_those_of_a_hand_counted_table() -> None:
    found = judged(np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.8, 0.2, 0.6, 0.4]), np.array([1.0, 1.0, 1.0, 3.0]))
    assert found["rate"] == pytest.approx(4 / 6)
    assert found["predicted"] == pytest.approx((0.8 + 0.2 + 0.6 + 3 * 0.4) / 6)
    assert found["auc"] == pytest.approx((2 + 3 * 1) / 8)


# --- early warning ---


def test_the_report_and_its_plot_are_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert early.main([str(folder), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "early_warning.md").read_text(encoding="utf-8")
    assert text.strip() == capsys.readouterr().out.strip()
    assert "| CURRENT |" in text and "| M1 |" in text and "| early warning |" in text
    assert (tmp_path / "early_warning.png").read_bytes().startswith(b"\x89PNG")


def test_a_portfolio_that_cannot_teach_early_warning_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert early.main([str(ROOT / "data" / "sample"), "--out", str(tmp_path)]) == 2
    assert "Early warning cannot be learned" in capsys.readouterr().err


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=30), st.floats(0.05, 1.0))
def test_what_ties_capture_does_not_hang_on_the_order_of_rows(rows: list[tuple[bool, int]], share: float) -> None:
    seen, order = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    if seen.any():
        assert early.captured(seen, order, share) == pytest.approx(early.captured(seen[::-1], order[::-1], share))


def test_looking_at_everybody_finds_everybody() -> None:
    assert early.captured(np.array([0.0, 1.0, 1.0]), np.array([0.3, 0.1, 0.2]), 1.0) == 1.0


def test_calibration_bands_hold_everybody_once() -> None:
    table = pd.DataFrame({"predicted": np.linspace(0, 1, 37), "seen": np.arange(37) % 2 * 1.0})
    bands = early.calibration(table)
    assert bands["n"].sum() == 37 and bands["predicted"].is_monotonic_increasing


def test_a_draw_of_customers_has_the_features_they_have_among_everybody() -> None:
    portfolio, day = read_portfolio(ROOT / "data" / "sample", threads=1), date(2025, 4, 30)
    everybody, drawn = build(portfolio, day, min_dpd=0), frame_of_everybody(portfolio, day, most=12)
    inside = everybody.positions["account_id"].isin(drawn.positions["account_id"]).to_numpy()
    assert 0 < len(drawn) < len(everybody)
    np.testing.assert_array_equal(everybody.values[inside], drawn.values)
    assert len(build(portfolio, day, min_dpd=0)) == len(everybody)  # the portfolio is whole again
