"""The whole line: portfolio in, models tracked, plan and queues out, every decision recorded."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from scoring.errors import BundleError, GateError
from scoring.features.builder import build_for
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.portfolio.reading import read_portfolio
from scoring.scores.pins import load_champion
from scoring.scores.scores import score
from scoring.vocabulary import CONTACT_CHANNELS
from serving.nightly import DECISION_COLUMNS, run_plan
from tests.flow.conftest import Line
from training import tracking
from training.promotion import promote

RECORDED_AT = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def planned(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("planned") / "plan"
    run_plan(line.portfolio, as_of=line.as_of, out=out, home=line.home, recorded_at=RECORDED_AT, threads=1)
    return out


def test_a_training_run_is_logged_with_figures_by_bucket_plots_fingerprint_and_recipe(line: Line) -> None:
    client = MlflowClient(tracking.tracking_uri(line.home))
    run = client.get_run(line.trained.run_id)
    plots = {item.path for item in client.list_artifacts(run.info.run_id, "plots")}

    assert run.data.tags["data_fingerprint"] == read_portfolio(line.portfolio, threads=1).fingerprint
    assert run.data.params["recipe"] == "default"
    assert "test.willingness_auc" in run.data.metrics
    assert any(name.startswith("bundle.M1.") for name in run.data.metrics)
    assert plots >= {f"plots/{name}.png" for name in ("reliability", "capture", "distributions", "reasons", "buckets")}


def test_a_training_run_registers_one_bundle_and_promotion_moves_the_alias(line: Line) -> None:
    client = MlflowClient(tracking.tracking_uri(line.home))

    champion = client.get_model_version_by_alias(tracking.REGISTERED, "champion")

    assert str(champion.version) == line.trained.version
    assert champion.tags["approver"] == "Test Approver"


def test_the_test_customers_were_never_trained_on_and_the_days_lie_a_horizon_apart(line: Line) -> None:
    assert all((line.trained.test_day - day).days >= 30 for day in line.trained.train_days)


def test_a_failed_gate_refuses_promotion_and_a_reason_overrides_it_on_record(
    line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = shutil.copytree(line.home, tmp_path / "home")
    failing = {"auc": {"metric": "willingness_auc", "low": 0.999, "why": "nobody is that good"}}
    monkeypatch.setattr(
        "training.promotion.gate_findings",
        lambda figures: __import__("training.gates", fromlist=["x"]).gate_findings(figures, failing),
    )
    before = (home / "bundles" / "champion.toml").read_text()

    with pytest.raises(GateError, match="nobody is that good"):
        promote(line.trained.version, home=home, approver="A", promoted_at=RECORDED_AT)
    assert (home / "bundles" / "champion.toml").read_text() == before

    done = promote(
        line.trained.version, home=home, approver="A", promoted_at=RECORDED_AT, despite="pilot on one region"
    )
    assert done.pin.despite == "pilot on one region"
    assert "nobody is that good" in done.pin.findings[0]


def test_an_unknown_version_is_refused_and_the_known_ones_are_named(line: Line) -> None:
    with pytest.raises(BundleError, match="Registered versions: 1"):
        promote("99", home=line.home, approver="A", promoted_at=RECORDED_AT)


def test_the_plan_writes_every_file_that_the_interface_names(planned: Path) -> None:
    scores = pd.read_parquet(planned / "scores.parquet")
    decisions = pd.read_parquet(planned / "decisions.parquet")
    channels = [str(channel) for channel in CONTACT_CHANNELS]

    named = [
        "account_id", "as_of", "dpd", "bucket", "past_due_cents", "cure_amount_cents", "w_none", "w_logged",
        *(f"w_{channel}" for channel in channels), "ability", "p_full", "payable_low_cents", "payable_mid_cents",
        "payable_high_cents", "segment", "evidence",
    ]  # fmt: skip
    assert [name for name in scores.columns if name in named] == named
    assert list(decisions.columns) == list(DECISION_COLUMNS)
    assert decisions["account_id"].is_unique
    for channel in channels:
        queue = pd.read_csv(planned / f"queue_{channel}.csv")
        assert queue["rank"].tolist() == list(range(1, len(queue) + 1))
        assert (
            len(queue)
            == (decisions["channel"] == channel).sum()
            == len(pd.read_parquet(planned / f"queue_{channel}.parquet"))
        )


def test_every_decision_is_in_the_ledger_once_and_the_chain_verifies(line: Line, planned: Path) -> None:
    decisions = pd.read_parquet(planned / "decisions.parquet")

    with Ledger.open(line.home / "ledger.db", read_only=True) as ledger:
        assert verify(ledger) == []
        recorded = ledger.get(decisions["decision_id"].iloc[0]).body
        summary = json.loads((planned / "plan.json").read_text())
        batch = ledger.batch(summary["run_id"])

    assert batch is not None and batch.n_records == len(decisions)
    assert recorded["choice"]["channel"] == decisions["channel"].iloc[0]
    assert recorded["model"]["bundle_id"] == summary["bundle"]["id"]


def test_contributions_by_group_add_up_to_the_recorded_margin(line: Line, planned: Path) -> None:
    decisions = pd.read_parquet(planned / "decisions.parquet")
    with Ledger.open(line.home / "ledger.db", read_only=True) as ledger:
        for decision_id in decisions["decision_id"].head(50):
            for name in ("willingness", "ability"):
                told = ledger.get(decision_id).body["scores"][name]
                assert told["expected_margin"] + sum(told["groups"].values()) == pytest.approx(told["margin"], abs=1e-9)
                assert len(told["reasons"]) <= 4


def test_one_account_in_python_has_the_plans_numbers_to_the_last_bit(line: Line, planned: Path) -> None:
    planned_scores = pd.read_parquet(planned / "scores.parquet")
    _, bundle = load_champion(line.home)
    portfolio = read_portfolio(line.portfolio, threads=1)

    for account_id in planned_scores["account_id"].iloc[[0, 7, -1]]:
        alone = score(bundle, build_for(portfolio, line.as_of, (account_id,))).table
        seen = planned_scores[planned_scores["account_id"] == account_id].reset_index(drop=True)
        for column in seen.columns.difference(["as_of"]):
            pd.testing.assert_series_equal(alone[column], seen[column], check_exact=True)


def test_capacities_are_respected_and_a_closed_channel_is_never_used(line: Line, tmp_path: Path) -> None:
    capacity = tmp_path / "capacity.yaml"
    capacity.write_text("agent_call: {minutes: 61}\nsms: {contacts: 7}\nemail: {contacts: 0}\nletter: {contacts: 0}\n")

    run = run_plan(
        line.portfolio,
        as_of=line.as_of,
        out=tmp_path / "plan",
        home=line.home,
        recorded_at=RECORDED_AT,
        capacity_file=capacity,
        threads=1,
    )

    used = {name: entry["used"] for name, entry in run.summary["capacities"].items()}
    minutes = next(limit for limit in run.summary["resources"] if limit["name"] == "agent_call minutes")
    assert used["agent_call"] >= 8 and minutes["used"] <= 61
    assert used["sms"] == 7 and used["email"] == 0 and used["letter"] == 0
    assert used["field_visit"] == used["legal_referral"] == 0
    assert run.summary["value_cents"] <= run.summary["bound_cents"]


def test_the_recorded_margin_is_the_choice_less_the_best_alternative(line: Line, tmp_path: Path) -> None:
    capacity = tmp_path / "capacity.yaml"
    capacity.write_text("agent_call: {contacts: 3}\nsms: {contacts: 5}\n")
    run_plan(
        line.portfolio,
        as_of=line.as_of,
        out=tmp_path / "plan",
        home=line.home,
        recorded_at=RECORDED_AT,
        capacity_file=capacity,
        threads=1,
    )
    decisions = pd.read_parquet(tmp_path / "plan" / "decisions.parquet")

    seen = set()
    with Ledger.open(line.home / "ledger.db", read_only=True) as ledger:
        for decision_id in decisions["decision_id"]:
            body = ledger.get(decision_id).body
            worth = {name: max(entry["value_cents"] or 0.0, 0.0) for name, entry in body["candidates"].items()}
            own = {**worth, "none": 0.0}.pop(body["choice"]["channel"])
            others = [v for name, v in {**worth, "none": 0.0}.items() if name != body["choice"]["channel"]]
            assert body["choice"]["margin_cents"] == pytest.approx(own - max(others), abs=0.011)
            seen.add(body["choice"]["margin_cents"] < 0)
    assert seen == {True, False}, "some lost their best channel to capacity, some did not"


def test_the_same_plan_again_writes_nothing_twice(line: Line, planned: Path, tmp_path: Path) -> None:
    again = run_plan(
        line.portfolio, as_of=line.as_of, out=tmp_path / "again", home=line.home, recorded_at=RECORDED_AT, threads=1
    )

    assert again.already_recorded
    assert (tmp_path / "again" / "decisions.parquet").read_bytes() == (planned / "decisions.parquet").read_bytes()
    assert (tmp_path / "again" / "queue_sms.csv").read_bytes() == (planned / "queue_sms.csv").read_bytes()


def test_a_plan_killed_at_any_point_and_run_again_is_complete_and_has_no_duplicates(line: Line, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(line.home / "bundles", home / "bundles")
    out = tmp_path / "plan"
    command = [
        sys.executable,
        "-m",
        "serving.console",
        "plan",
        str(line.portfolio),
        "--as-of",
        str(line.as_of),
        "--out",
        str(out),
    ]
    environment = {**os.environ, "SCORING_HOME": str(home), "SCORING_THREADS": "1"}
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    whole = time.monotonic() - started
    shutil.rmtree(home)
    shutil.copytree(line.home / "bundles", home / "bundles")
    shutil.rmtree(out)
    draw = random.Random(20260101)

    for _ in range(5):
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.4, 1.0) * whole)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not out.exists() or (out / "plan.json").is_file(), "a half-written plan is visible"
    done = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    decisions = pd.read_parquet(out / "decisions.parquet")
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        assert verify(ledger) == []
        recorded = [record.record_id for record in ledger.records(kind="decision")]
    assert sorted(recorded) == sorted(decisions["decision_id"])
