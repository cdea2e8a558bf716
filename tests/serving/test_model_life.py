"""New bundles and plans take over without a gap; the scorecard stands in where the boosters cannot score; old data is flagged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from starlette.testclient import TestClient

from scoring.errors import ContributionsError
from scoring.scores.pins import read_pin, write_pin
from serving.app import equip, make_app, put_in_use
from serving.degraded import Condition
from serving.desk import Desk
from serving.opening import open_desk
from serving.settings import REFUSE, Limits, Settings
from serving.watching import Watch
from tests.serving.conftest import Home, client_of

MORNING = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def own_home(home: Home, tmp_path: Path) -> Settings:
    """A copy of the state folder that a test may change."""
    shutil.copytree(home.untouched, tmp_path / "home")
    return replace(home.settings, home=tmp_path / "home")


@pytest.fixture
def own_desk(own_home: Settings) -> Iterator[Desk]:
    opened = open_desk(own_home)
    yield opened
    opened.close()


def test_a_new_pin_takes_over_between_two_requests(own_home: Settings, own_desk: Desk, account_ids: list[str]) -> None:
    app = make_app()
    equip(app, own_desk)
    client = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))
    watch = Watch(own_home, own_desk, lambda fresh: put_in_use(app, fresh))
    assert not watch.look()
    before = client.post("/v1/score", json={"account_ids": account_ids[:1]}).json()

    write_pin(own_home.home, replace(read_pin(own_home.home), version="2"))

    assert watch.look() and not watch.look()
    after = client.post("/v1/score", json={"account_ids": account_ids[:1]})
    assert after.json() == before
    assert client.get("/readyz").json()["bundle_version"] == "2"


def test_a_pin_that_cannot_be_loaded_changes_nothing(
    own_home: Settings, own_desk: Desk, account_ids: list[str]
) -> None:
    client = client_of(own_desk)
    swapped: list[Desk] = []
    watch = Watch(own_home, own_desk, swapped.append)

    write_pin(own_home.home, replace(read_pin(own_home.home), folder="gone"))

    assert not watch.look() and not swapped
    assert client.post("/v1/score", json={"account_ids": account_ids[:1]}).status_code == 200


def test_where_the_boosters_cannot_score_and_there_is_no_card_nothing_is_answered(
    desk: Desk, account_ids: list[str]
) -> None:
    pin, bundle = desk.champion  # type: ignore[misc]
    broken = replace(bundle, documents={})
    broken.__dict__["leaf_tables"] = dict.fromkeys(bundle.leaf_tables, bundle.leaf_tables["ability"])

    unable = replace(desk, champion=(pin, broken), condition=Condition())
    with pytest.raises(ContributionsError):
        unable.probe()  # as a worker does every few seconds

    answer = client_of(unable).post("/v1/score", json={"account_ids": account_ids[:1]})

    assert (answer.status_code, answer.json()["code"]) == (500, "contributions_do_not_add_up")


@pytest.mark.parametrize("path", ["/v1/score", "/v1/decisions"])
def test_a_body_that_comes_slowly_is_answered_by_the_desk_in_use_when_it_has_come(
    path: str, desk: Desk, account_ids: list[str]
) -> None:
    """Otherwise the answer would know nothing of what was told since the new plan."""
    app, answer = make_app(), list[dict[str, Any]]()
    equip(app, desk, clock=lambda: MORNING)
    body = orjson.dumps({"account_ids": account_ids[:1]})
    pieces = [body[5:], body[:5]]

    async def receive() -> dict[str, Any]:
        if len(pieces) == 1:
            put_in_use(app, replace(desk, limits=Limits(stale_days=0)))
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    anyio.run(app, {**scope, "client": ("127.0.0.1", 50000)}, receive, send)

    assert answer[0]["status"] == 200 and orjson.loads(answer[1]["body"])["is_stale"]


def test_stale_data_is_flagged_on_every_answer(desk: Desk, account_ids: list[str]) -> None:
    app = make_app()
    client = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))
    asked = {"account_ids": account_ids[:1]}

    def flags(day: datetime, limits: Limits) -> list[bool]:
        equip(app, replace(desk, limits=limits), clock=lambda: day)
        answers = [
            client.post("/v1/score", json=asked),
            client.post("/v1/decisions", json=asked),
            client.get("/v1/queue"),
        ]
        return [answer.json()["is_stale"] for answer in answers]

    assert flags(MORNING, Limits()) == [False] * 3
    assert flags(MORNING.replace(month=11), Limits()) == [True] * 3
    equip(app, replace(desk, limits=Limits(on_stale=REFUSE)), clock=lambda: MORNING.replace(month=11))
    refused = client.post("/v1/score", json=asked)
    assert (refused.status_code, refused.json()["code"]) == (409, "stale_data")
