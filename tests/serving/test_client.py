"""The client and the README's calls, against the application; trying again never does a thing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from serving.client import Client, RefusedError
from serving.opening import open_desk
from tests.serving.conftest import Home, client_of
from tests.serving.test_day import NOW, payment


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
    decision_id, account_id = first["decision_id"], first["account_id"]

    assert client.score([account_id])["scores"][0]["account_id"] == account_id
    assert client.decide([account_id])["decisions"][0]["decision_id"] == decision_id
    assert client.decision(decision_id)["decision_id"] == decision_id
    assert decision_id in client.explanation(decision_id)
    assert client.override(decision_id, "none", "illness")["to"] == "none"
    assert client.request(decision_id, "human_review")["due_on"] == "2026-10-06"
    assert client.replay(decision_id)["outcome"] == "exact"
    assert client.history(account_id)["decisions"]
    permit = client.permit(account_id, "letter")
    if permit["is_granted"]:
        assert client.release(permit["permit_id"])["released"]
    assert client.tell([payment(account_id)])["outcomes"][0]["is_new"]
    assert account_id not in [row["account_id"] for row in client.queue(page=50)]


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_done_twice(transport: Through) -> None:
    with Client("http://localhost", transport=Through(transport._client, lost=1), pause=lambda seconds: None) as client:
        decision_id = next(client.queue())["decision_id"]
    lossy = Through(transport._client, lost=1)
    with Client("http://localhost", transport=lossy, pause=lambda seconds: None) as client:
        written = client.request(decision_id, "explanation")
        about = client.decision(decision_id)

    assert about["decision_id"] == written["decision_id"]


def test_a_refusal_is_one_error_with_its_code(client: Client) -> None:
    with pytest.raises(RefusedError, match="unknown_account") as refused:
        client.score(["nobody"])

    assert (refused.value.status, refused.value.body["got"]) == (404, "nobody")


def test_a_service_that_asks_to_wait_is_waited_for() -> None:
    answers = iter([httpx.Response(503, headers={"retry-after": "2"}), httpx.Response(200, json={"scores": []})])
    waited: list[float] = []
    transport = httpx.MockTransport(lambda request: next(answers))

    with Client("http://scoring", transport=transport, pause=waited.append) as client:
        assert client.score(["A1"]) == {"scores": []}
    assert waited == [2.0]
