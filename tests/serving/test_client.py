"""The client and the README's calls, against the application; trying again never does a thing twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from scoring.vocabulary import Channel
from serving.app import equip, make_app
from serving.client import Client, RefusedError
from serving.load import histories
from serving.opening import open_desk
from serving.shapes import ReleaseAnswer
from tests.serving.conftest import Home, client_of
from tests.serving.test_day import NOW, payment
from tests.serving.test_process import free_port

NO_SCORES = {"as_of": "2026-09-30", "bundle_id": "b", "is_stale": False, "degraded": False, "scores": []}


class Through(httpx.BaseTransport):
    """Hands requests to the application; loses the answers that a test says."""

    def __init__(self, app_client: object, lost: int = 0) -> None:
        self._client, self._lost = app_client, lost

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["host"] = "localhost"
        answer = self._client.request(  # type: ignore[attr-defined]
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        if self._lost:
            self._lost -= 1
            raise httpx.ReadError("the answer was lost")
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


@pytest.fixture(scope="module")
def transport(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Through]:
    desk = open_desk(replace(home.settings, state=str(tmp_path_factory.mktemp("client") / "state.db")))
    yield Through(client_of(desk, clock=lambda: NOW))
    desk.close()


@pytest.fixture
def client(transport: Through) -> Iterator[Client]:
    with Client("http://localhost", transport=transport, pause=lambda seconds: None) as made:
        yield made


def test_the_whole_day_goes_through_the_client(client: Client, home: Home) -> None:
    first = next(client.queue())
    decision_id, account_id = first.decision_id, first.account_id

    assert client.score([account_id]).scores[0].account_id == account_id
    assert client.decide([account_id]).decisions[0].decision_id == decision_id
    assert client.decision(decision_id).decision_id == decision_id
    assert decision_id in client.explanation(decision_id).text
    assert client.override(decision_id, Channel.NONE, "illness").to is Channel.NONE
    assert client.request(decision_id, "human_review").due_on == date(2026, 10, 6)
    assert client.replay(decision_id).outcome == "exact"
    assert client.history(account_id).decisions
    permit = client.permit(account_id, Channel.LETTER)
    if permit.permit_id is not None:
        assert client.release(permit.permit_id).released
    assert client.tell([payment(account_id)]).outcomes[0].is_new
    assert account_id not in [row.account_id for row in client.queue(page=50)]


def test_histories_that_are_sent_are_scored(client: Client, home: Home) -> None:
    [history] = histories(home.settings, [next(client.queue()).account_id])

    [score] = client.score_histories([history], "2026-09-30").scores

    assert score.explained is not None and 0 <= score.w_none <= 1


def test_a_field_that_a_newer_service_adds_is_passed_over() -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, json={"permit_id": "P", "released": True, "x": 1})
    )

    with Client("http://scoring", transport=transport) as client:
        assert client.release("P") == ReleaseAnswer(permit_id="P", released=True)


@pytest.mark.parametrize("content", [b"<html>a proxy's page</html>", b'{"permit_id": 7}'])
def test_an_answer_that_is_none_of_the_services_is_one_error_without_its_values(content: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=content))

    with Client("http://scoring", transport=transport) as client, pytest.raises(RefusedError) as refused:
        client.release("P")

    assert refused.value.code == "not_understood" and "7" not in str(refused.value)


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_done_twice(transport: Through) -> None:
    with Client("http://localhost", transport=Through(transport._client, lost=1), pause=lambda seconds: None) as client:
        decision_id = next(client.queue()).decision_id
    lossy = Through(transport._client, lost=1)
    with Client("http://localhost", transport=lossy, pause=lambda seconds: None) as client:
        written = client.request(decision_id, "explanation")
        about = client.decision(decision_id)

    assert about.decision_id == written.decision_id


def test_a_refusal_is_one_error_with_its_code(client: Client) -> None:
    with pytest.raises(RefusedError, match="unknown_account") as refused:
        client.score(["nobody"])

    assert (refused.value.status, refused.value.body["got"]) == (404, "nobody")


def test_a_service_that_asks_to_wait_is_waited_for() -> None:
    answers = iter([httpx.Response(503, headers={"retry-after": "2"}), httpx.Response(200, json=NO_SCORES)])
    waited: list[float] = []
    transport = httpx.MockTransport(lambda request: next(answers))

    with Client("http://scoring", transport=transport, pause=waited.append) as client:
        assert client.score(["A1"]).scores == []
    assert waited == [2.0]


@pytest.mark.parametrize(
    ("said", "waited"), [("600", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.4), ("-1", 0.4), ("nan", 0.4)]
)
def test_a_strange_wish_to_wait_is_not_obeyed(said: str, waited: float) -> None:
    answers = iter([httpx.Response(429, headers={"retry-after": said}), httpx.Response(200, json=NO_SCORES)])
    pauses: list[float] = []

    with Client(
        "http://scoring", transport=httpx.MockTransport(lambda request: next(answers)), pause=pauses.append
    ) as client:
        client.score(["A1"])

    assert pauses == [waited]


def test_a_service_that_is_away_for_a_while_is_asked_again_under_the_same_key(home: Home, tmp_path: Path) -> None:
    """Over real HTTP: the first server takes the request, does it, and goes down before it answers; the next one is up later."""
    desk, port, seen = open_desk(replace(home.settings, state=str(tmp_path / "state.db"))), free_port(), []
    app = make_app()
    equip(app, desk, clock=lambda: NOW)
    servers = [Server(app, port, seen, is_cut_off=True)]

    def pause(seconds: float) -> None:
        if len(servers) == 1:
            servers[0].stop()
        elif len(servers) == 2:
            servers[1].start()
        servers.append(Server(app, port, seen, is_cut_off=False))

    servers[0].start()
    with Client(f"http://127.0.0.1:{port}", pause=pause, tries=5) as client:
        account_id = str(desk.plan().decisions["account_id"].iloc[0])
        permit = client.permit(account_id, "letter")
        again = client.permit(account_id, "letter")
    servers[1].stop()
    desk.close()

    assert len(seen) == 3 and seen[0] == seen[1] != seen[2]
    assert permit.is_granted and permit.permit_id != again.permit_id


class Server:
    """The application on a port; it may be cut off after its work and before its answer."""

    def __init__(self, app: Any, port: int, seen: list[bytes], *, is_cut_off: bool) -> None:
        self._app, self._seen, self._is_cut_off = app, seen, is_cut_off
        config = uvicorn.Config(self, host="127.0.0.1", port=port, log_level="critical", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._seen.append(dict(scope["headers"])[b"idempotency-key"])

        async def nowhere(message: Any) -> None:
            return None

        await self._app(scope, receive, nowhere if self._is_cut_off else send)
        if self._is_cut_off:
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()  # type: ignore[union-attr]

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
