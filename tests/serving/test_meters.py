"""What is counted, and a dashboard that names nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import serving
from serving.desk import Desk
from serving.meters import Meters
from tests.serving.conftest import client_of

DASHBOARD = Path(serving.__file__).parent / "grafana_dashboard.json"


def names_of(meters: Meters) -> set[str]:
    """Every time series that Prometheus would know."""
    return set(re.findall(r"^# TYPE (\S+)", meters.text().decode(), re.MULTILINE))


def test_the_dashboard_names_only_metrics_that_exist_and_leaves_none_out() -> None:
    text = DASHBOARD.read_text()
    expressions = [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]

    named = {
        re.sub(r"_(bucket|count|sum)$", "", name) for expr in expressions for name in re.findall(r"scoring_\w+", expr)
    }
    known = {name for name in names_of(Meters()) if not name.endswith("_created")}

    assert named == known


def test_decisions_scores_and_the_age_of_data_are_counted(desk: Desk, account_ids: list[str]) -> None:
    client = client_of(desk)
    client.post("/v1/score", json={"account_ids": account_ids[:4]})
    client.post("/v1/decisions", json={"account_ids": account_ids[:4]})

    text = client.get("/metrics").text

    assert 'scoring_score_count{score="w_logged"} 4.0' in text
    assert sum(float(n) for n in re.findall(r"^scoring_decisions_total\{.*\} (\S+)$", text, re.MULTILINE)) == 4
    assert re.search(r"^scoring_data_age_days \d+", text, re.MULTILINE)
    assert account_ids[0] not in text
