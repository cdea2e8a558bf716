"""What whoever runs the service relies on: metrics of several workers in one answer, and who looked at a decision."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import serving
from scoring.ledger.human import ACCESS
from serving.desk import Desk, there
from serving.settings import read_settings
from tests.serving.conftest import client_of

FOLDER = Path(serving.__file__).parent
COUNT = """
from collections import Counter, deque
from serving.meters import Meters
meters = Meters()
meters.blocked(deque([Counter({("max_calls", "agent_call"): 2})]))
meters.requests.labels("GET", "/v1/queue", 200).inc()
meters.seconds.labels("/v1/queue").observe(0.1)
meters.refusals.labels("not_ready").inc()
meters.accounts.labels("/v1/score").inc()
meters.permit("sms", {"is_granted": False, "rules": ["max_calls"]})
meters.outcomes.labels("payment").inc()
row = {"channel": "sms", "reason": "", "trigger": "plan", "w_logged": 0.5, "ability": 0.5}
meters.decided([row])
meters.scored([row])
meters.shadow_scored([(row, row)])
meters.shadow_dropped.labels("busy").inc()
told = {"champion": 0.5, "challenger": 0.6}
choice = {"champion": {"channel": "sms"}}
meters.shadow_decided([{"scores": {"w_logged": told, "ability": told}, "was_by_chance": False, "is_same_channel": True, "choice": choice}])
meters.expect("w_logged", __import__("numpy").array([0.5])), meters.data_age.set(1), meters.ready.set(1), meters.degraded.set(0)
print(meters.text().decode())
"""


def test_several_workers_answer_with_the_sum_of_all_and_every_series_of_the_dashboard(tmp_path: Path) -> None:
    shared = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = [
        subprocess.run([sys.executable, "-c", COUNT], env=shared, cwd=FOLDER.parent, capture_output=True, text=True)
        for _ in range(2)
    ]

    text = done[1].stdout
    assert 'scoring_blocks_total{asked_by="decision",channel="agent_call",rule="max_calls"} 4.0' in text, done[1].stderr
    panels = json.loads((FOLDER / "grafana_dashboard.json").read_text())["panels"]
    asked = {name for panel in panels for one in panel["targets"] for name in re.findall(r"scoring_\w+", one["expr"])}
    told = set(re.findall(r"^(scoring_\w+)(?:\{| )", text, re.MULTILINE))
    assert asked <= told
    selected = {
        label
        for panel in panels
        for one in panel["targets"]
        for label in re.findall(r"(?:\{|,)(\w+)=|by \(([\w, ]+)\)", one["expr"])
    }
    labels = {label.strip() for pair in selected for part in pair for label in part.split(",") if label.strip()}
    assert labels <= set(re.findall(r"(\w+)=\"", text))


def test_blocks_of_decisions_made_live_are_counted_by_rule(desk: Desk, current_id: str) -> None:
    client = client_of(desk)
    desk.blocked.clear()
    made = client.post("/v1/decisions", json={"account_ids": [current_id]}).json()["decisions"][0]
    closed = there(desk.ledger).get(made["decision_id"]).body["policy"]["results"]["closed"]

    text = client.get("/metrics").text

    counted = set(re.findall(r'scoring_blocks_total\{asked_by="decision",channel="(\w+)",rule="([^"]+)"\} 1\.0', text))
    assert counted == {(channel, rule) for channel, rules in closed.items() for rule in rules}
    assert counted


@pytest.mark.parametrize(
    "look", ["", "/explanation", "/explanation?format=html&lang=zh", "/explanation?audience=customer", "/replay"]
)
def test_every_look_at_a_decision_is_recorded_before_it_is_shown(client: TestClient, desk: Desk, look: str) -> None:
    decision_id = str(desk.plan().decisions["decision_id"].iloc[3])
    before = looks(desk, decision_id)

    asked = client.post if look == "/replay" else client.get
    assert asked(f"/v1/decisions/{decision_id}{look}").status_code == 200

    [new] = looks(desk, decision_id)[len(before) :]
    assert new["by"] == "this machine" and new["purpose"]


def test_a_look_at_an_accounts_history_is_recorded_for_each_decision_shown(client: TestClient, desk: Desk) -> None:
    row = desk.plan().decisions.iloc[4]
    shown = client.get(f"/v1/accounts/{row['account_id']}/decisions").json()["decisions"]

    assert shown
    assert [looks(desk, one["decision_id"])[-1]["purpose"] for one in shown] == ["history"] * len(shown)


def looks(desk: Desk, decision_id: str) -> list[dict[str, str]]:
    return [record.body for record in there(desk.ledger).about(decision_id) if record.kind == ACCESS]


def test_a_log_line_has_a_request_id_and_no_value_of_the_request(
    client: TestClient, account_ids: list[str], log_lines: list[bytes]
) -> None:
    answer = client.post("/v1/score", json={"account_ids": account_ids[:1]}, headers={"x-request-id": "r-1"})

    [line] = [json.loads(line) for line in log_lines]
    assert answer.headers["x-request-id"] == line["request_id"] == "r-1"
    assert (line["event"], line["route"], line["status"], line["accounts"]) == ("request.answered", "/v1/score", 200, 1)
    assert account_ids[0] not in json.dumps(line)


def test_the_operating_guide_names_what_there_is() -> None:
    text = (FOLDER / "operating.md").read_text(encoding="utf-8")
    from serving.console import cli

    known = {"scoring " + " ".join(name) for name in commands(cli)}
    named = set(re.findall(r"(?<![\w/`-])scoring (?:keys \w+|challenger \w+|[a-z][a-z-]+)", text))
    assert {name for name in named if name not in known} == set()
    read = (FOLDER / "settings.py").read_text(encoding="utf-8")
    assert {name for name in re.findall(r"SCORING_[A-Z_]+", text) if name not in read} == set()
    metrics = {re.sub(r"_(bucket|total)$", "", name) for name in re.findall(r"scoring_[a-z_]+", text)}
    meters = (FOLDER / "meters.py").read_text(encoding="utf-8")
    assert {name for name in metrics if f'"{name}' not in meters} <= {"scoring_requests"}
    assert read_settings().tls is None


def commands(group: object, so_far: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, one in getattr(group, "commands", {}).items():
        found += [(*so_far, name), *commands(one, (*so_far, name))]
    return found
