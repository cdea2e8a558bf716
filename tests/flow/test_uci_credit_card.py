"""The line on real data: the public UCI file, trained on the July bill, tested on the August bill of unseen customers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from scoring.portfolio.checking import check
from scoring.portfolio.reading import read_portfolio
from scoring.portfolio.uci_credit_card import ingest_uci_credit_card
from serving.nightly import run_plan
from tests.portfolio.real_data import dataset
from training.pipeline import Trained, train
from training.promotion import promote

AUGUST = date(2005, 8, 31)
AT = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Trained]:
    root = tmp_path_factory.mktemp("uci")
    source = dataset("uci_credit_card_default/UCI_Credit_Card.csv", "accuracy of both scores on the real panel")
    ingest_uci_credit_card(source, root / "portfolio")
    return root / "portfolio", root / "home", train(root / "portfolio", home=root / "home", threads=1)


@pytest.mark.real_data
def test_the_data_check_finds_no_error(trained: tuple[Path, Path, Trained]) -> None:
    assert [finding for finding in check(read_portfolio(trained[0], threads=1)) if finding.severity == "error"] == []


@pytest.mark.real_data
def test_both_scores_keep_the_accuracy_that_was_measured_on_new_accounts_in_the_next_month(
    trained: tuple[Path, Path, Trained],
) -> None:
    result = trained[2]

    assert (result.train_days, result.test_day) == ([date(2005, 7, 31)], AUGUST)
    assert 0.86 <= result.own_figures["willingness_auc"] <= 0.90, "above 0.90 is a leak until proven otherwise"
    assert 0.86 <= result.figures["willingness_auc"] <= 0.90
    assert result.own_figures["willingness_brier"] <= 0.107
    assert result.own_figures["ability_r2"] >= 0.72
    assert result.figures["ability_r2"] >= 0.72
    # Not shown by one split alone: the bundle's own 30 % gives 0.652 of the money (aim 0.66), and the ten turns give a
    # Brier of 0.108 (aim 0.107). serving/measurements.md says so; each figure is held where it is reached.
    assert result.figures["money_top30_expected"] >= 0.66
    assert [finding for finding in result.findings if finding.severity == "error"] == []


@pytest.mark.real_data
def test_the_promoted_bundle_gives_a_queue_of_the_august_cohort(
    trained: tuple[Path, Path, Trained], tmp_path: Path
) -> None:
    portfolio, home, _ = trained
    promote("challenger", home=home, approver="Test Approver", promoted_at=AT)

    run = run_plan(portfolio, as_of=AUGUST, out=tmp_path / "plan", home=home, recorded_at=AT, threads=1)

    assert run.summary["n_accounts"] == 4213
    assert sum(len(pd.read_csv(path)) for path in (tmp_path / "plan").glob("queue_*.csv")) > 3000
