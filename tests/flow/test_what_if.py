"""What if and strategies at the console: answers beside the plan, and a pin that decides which strategy runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from scoring.decisions.strategy import house_strategy, strategy_from
from scoring.decisions.strategy_pin import pin_strategy
from scoring.errors import BadRequestError, ScoringError
from scoring.ledger.replay import replay
from scoring.ledger.store import Ledger
from serving.archive import archived_bundles
from serving.console import cli
from serving.nightly import run_plan
from serving.what_if import FILES, ask_what_if
from tests.flow.conftest import Line

AT = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)
CAPACITY = """
agent_call:
  slots: {morning: {from: 9, until: 12, minutes: 120}, afternoon: {from: 12, until: 20, minutes: 200}}
sms: {contacts: 60}
letter: {contacts: 5}
field_visit: {contacts: 4, regions: {R0: 2, R1: 2}}
"""


@pytest.fixture
def home(line: Line, tmp_path: Path) -> Path:
    shutil.copytree(line.home / "bundles", tmp_path / "home" / "bundles")
    (tmp_path / "capacity.yaml").write_text(CAPACITY, encoding="utf-8")
    return tmp_path / "home"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_if_answers_with_a_table_a_page_and_a_picture_and_writes_nothing_else(line: Line, home: Path) -> None:
    before, out = contents(home), home.parent / "what_if"

    table = ask_what_if(
        line.portfolio, as_of=line.as_of, out=out, home=home, capacity_file=home.parent / "capacity.yaml", threads=1
    )

    assert contents(home) == before
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert {"as_it_is", "agent_minutes", "capacity", "one_more_agent_hour", "rule_lifted"} <= set(table["kind"])
    assert len(pd.read_csv(out / "what_if.csv")) == len(table)
    assert "Price of each rule" in (out / "what_if.md").read_text(encoding="utf-8")
    minutes = table[table["kind"] == "agent_minutes"].sort_values("factor")
    assert minutes["value_cents"].iloc[0] < minutes["value_cents"].iloc[-1]


def test_what_if_leaves_a_plans_folder_alone(line: Line, home: Path) -> None:
    out = home.parent / "plan"
    out.mkdir()
    (out / "plan.json").write_text("{}")

    with pytest.raises(BadRequestError, match="no answers to what if"):
        ask_what_if(
            line.portfolio, as_of=line.as_of, out=out, home=home, capacity_file=home.parent / "capacity.yaml", threads=1
        )


def test_a_promoted_strategy_decides_with_slots_and_every_decision_replays_exactly(line: Line, home: Path) -> None:
    text = house_strategy().text.replace(
        'value = 0.05\nunit = "share of accounts', 'value = 0.20\nunit = "share of accounts'
    )
    promoted = strategy_from('effects = "prior"\n' + text)
    pin_strategy(home, promoted, {"approver": "Li Wei"})
    given = {"as_of": line.as_of, "home": home, "recorded_at": AT, "threads": 1}

    run = run_plan(line.portfolio, out=home.parent / "plan", capacity_file=home.parent / "capacity.yaml", **given)
    house = home.parent / "house.toml"
    house.write_text(house_strategy().text, encoding="utf-8")
    other = run_plan(
        line.portfolio,
        out=home.parent / "other",
        capacity_file=home.parent / "capacity.yaml",
        strategy_file=house,
        **given,
    )

    assert run.summary["strategy"]["sha256"] == promoted.version and run.summary["strategy"]["effects"] == "prior"
    assert other.summary["strategy"]["sha256"] == house_strategy().version and other.run_id != run.run_id
    assert run.summary["n_explored"] > other.summary["n_explored"]
    offered = {limit["name"]: limit for limit in run.summary["resources"]}
    assert offered["agent_call minutes in morning"]["used"] <= 120
    queue = pd.read_csv(home.parent / "plan" / "queue_agent_call.csv")
    assert len(queue) and (queue["contact_from_hour"] >= 9).all()
    with Ledger.open(home / "ledger.db") as ledger:
        for one in (run, other):
            replayed = replay(ledger, None, archived_bundles(home), batch_id=one.run_id)
            assert all(each.is_exact for each in replayed), [each for each in replayed if not each.is_exact][:2]


def test_a_strategy_without_enough_log_is_refused_at_the_console_with_the_reason(
    line: Line, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORING_HOME", str(home))
    file = home.parent / "strategy.toml"
    file.write_text(house_strategy().text, encoding="utf-8")

    judged = CliRunner().invoke(cli, ["strategy", "judge", str(file), str(line.portfolio), "--json"])
    promoted = CliRunner().invoke(cli, ["strategy", "promote", str(file), str(line.portfolio), "--approver", "Li Wei"])

    if judged.exit_code == 1:
        assert json.loads(judged.stdout)["reasons"]
        assert isinstance(promoted.exception, ScoringError)
        assert not (home / "strategy").exists()
    else:
        assert judged.exit_code == 0 and promoted.exit_code == 0
        assert (home / "strategy" / "champion.json").is_file()
