"""What a training leaves behind for people: a run per model, plots, model card, validation report, and the approval beside the pin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from scoring.scores.pins import load_champion
from tests.flow.conftest import PROMOTED_AT, Line
from training import tracking
from training.report.card import model_card
from training.report.reading_log import reads
from training.report.validation import validation_report


@pytest.fixture(scope="module")
def facts(line: Line) -> dict[str, Any]:
    tracking.client(line.home)
    return dict(tracking.artifact(line.trained.run_id, "report/facts.json"))


@pytest.fixture(scope="module")
def card(line: Line) -> Path:
    pin, _ = load_champion(line.home)
    return line.home / "bundles" / f"{pin.folder}-card"


def test_every_model_has_a_run_of_its_own_under_the_training(line: Line) -> None:
    client = MlflowClient(tracking.tracking_uri(line.home))
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    assert experiment is not None

    found = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{line.trained.run_id}'")
    children = {run.data.tags["model"]: run for run in found}

    assert {"willingness", "ability", "full_payment", "payable"} <= set(children)
    assert "willingness_auc" in children["willingness"].data.metrics
    assert int(children["ability"].data.params["trees"]) > 0
    assert {run.info.status for run in found} == {"FINISHED"}


def test_plots_that_a_person_wants_to_see_are_kept(card: Path) -> None:
    kept = {path.stem for path in (card / "plots").glob("*.png")}

    assert kept >= {
        "reliability", "capture", "distributions", "reasons", "buckets", "calibration", "roll_rates", "stability", "drift", "paired",
        "fairness",
    }  # fmt: skip


def test_card_and_report_stand_beside_the_bundle_in_markdown_and_html_with_the_approval(card: Path) -> None:
    approval = json.loads((card / "approval.json").read_text())

    for name in ("model_card", "validation_report"):
        html = (card / f"{name}.html").read_text()
        assert (card / f"{name}.md").read_text().startswith("# ")
        assert html.count("data:image/png;base64,") >= 5 and 'src="plots' not in html
    assert (approval["approver"], approval["approved_at"]) == (
        "Test Approver",
        PROMOTED_AT.isoformat(timespec="seconds"),
    )
    assert all(set(finding) == {"gate", "severity", "message"} for finding in approval["findings"])


def test_the_report_goes_through_the_themes_and_leaves_the_sign_off_to_people(card: Path) -> None:
    report = (card / "validation_report.md").read_text()

    for theme in (
        "Purpose and use limits", "Materiality", "Data: lineage", "Conceptual soundness", "Outcomes: performance",
        "calibration and cash", "Alternatives tried", "Stability", "Drift", "leaks", "Explanations", "Fairness", "Limits",
        "Monitoring plan", "Traceability (JR/T 0221", "Sign-off",
    ):  # fmt: skip
        assert theme in report, theme
    assert "| independent validator |  |  |" in report


def test_card_and_report_are_written_from_the_facts_alone(facts: dict[str, Any], card: Path) -> None:
    assert model_card(facts) == (card / "model_card.md").read_text()
    assert validation_report(facts) == (card / "validation_report.md").read_text()


def test_a_portfolio_without_protected_data_is_told_apart_from_one_that_passed(facts: dict[str, Any]) -> None:
    silent = {**facts, "fairness": {"checked": False, "why": "there is no protected table", "rows": []}}

    assert "**Not checked.** there is no protected table" in model_card(silent)
    assert "Not checked." not in model_card(facts)


def test_shuffled_outcomes_teach_nothing(facts: dict[str, Any]) -> None:
    assert facts["permutation"]["excess"] <= 0.02


def test_stability_covers_every_day_and_ends_with_the_test_day(line: Line, facts: dict[str, Any]) -> None:
    days = [day["as_of"] for day in facts["stability"]]

    assert days == [day.isoformat() for day in (*line.trained.train_days, line.trained.test_day)]


def test_the_read_of_the_test_set_is_on_record(line: Line, facts: dict[str, Any]) -> None:
    read = reads(line.home)[0]

    assert (read.run_id, read.test_day) == (line.trained.run_id, line.trained.test_day.isoformat())
    assert facts["reads"] == {"count": 1, "test_set": read.test_set}


def test_the_first_training_says_that_there_was_nothing_to_compare_with(facts: dict[str, Any]) -> None:
    assert facts["drift"]["why"] == "This is the first training in this store."
    assert facts["rivals"]["champion"]["why"] == "No bundle has been promoted yet."
