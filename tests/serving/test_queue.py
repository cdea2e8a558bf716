"""The queue is the plan's order, paged; a cursor holds its place and nothing else."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from scoring.vocabulary import CONTACT_CHANNELS
from serving.shapes import QueueAnswer
from tests.serving.conftest import Home


def pages(client: TestClient, limit: int, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get("/v1/queue", params={"limit": limit, **query, **cursor})
        assert answer.status_code == 200, answer.text
        page = QueueAnswer.model_validate_json(answer.content)
        rows += answer.json()["rows"]
        assert len(page.rows) <= limit
        if page.next_cursor is None:
            return rows
        cursor = {"cursor": page.next_cursor}


@pytest.mark.parametrize("channel", [str(channel) for channel in CONTACT_CHANNELS])
def test_a_channels_queue_is_its_queue_file(client: TestClient, home: Home, channel: str) -> None:
    written = pd.read_parquet(home.run.out / f"queue_{channel}.parquet")

    rows = pages(client, 7, channel=channel)

    assert [row["decision_id"] for row in rows] == written["decision_id"].tolist()
    assert [row["rank"] for row in rows] == list(range(1, len(written) + 1))


def test_without_a_channel_the_whole_work_is_in_order_of_priority(client: TestClient, home: Home) -> None:
    decisions = pd.read_parquet(home.run.out / "decisions.parquet")

    rows = pages(client, 50)

    priorities = [row["priority_value_cents"] for row in rows]
    assert priorities == sorted(priorities, reverse=True)
    assert {row["decision_id"] for row in rows} == set(decisions.loc[decisions["channel"] != "none", "decision_id"])


def test_the_default_page_is_fifty_rows(client: TestClient) -> None:
    assert client.get("/v1/queue").json() == client.get("/v1/queue", params={"limit": 50}).json()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WyJ4IiwieSIsMV0="}, "cursor"),
        ({"chanel": "sms"}, "chanel"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_by_name(client: TestClient, query: dict[str, str], field: str) -> None:
    answer = client.get("/v1/queue", params=query)

    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["field"]) == ("bad_request", field)


def test_a_cursor_of_another_queue_is_refused(client: TestClient) -> None:
    cursor = client.get("/v1/queue", params={"channel": "none", "limit": 1}).json()["next_cursor"]

    answer = client.get("/v1/queue", params={"channel": "sms", "cursor": cursor})

    assert answer.status_code == 400
    assert "another queue" in answer.json()["message"]
