"""The edge: only this machine may ask, every answer carries its headers, and a log line holds no value from a body."""

from __future__ import annotations

import json
import time
from pathlib import Path

import anyio
import pytest
from starlette.testclient import TestClient

from serving.app import equip, make_app
from serving.desk import Desk
from serving.edge import Message
from serving.roles import ALLOWED, EVERYONE
from serving.shapes import ErrorAnswer
from tests.serving.conftest import client_of


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.4", "2001:db8::1", "testclient"])
def test_another_machine_is_refused(desk: Desk, address: str) -> None:
    app = make_app()
    equip(app, desk)
    stranger = TestClient(app, base_url="http://localhost", client=(address, 50000))

    for path in ("/healthz", "/v1/queue", "/openapi.json"):
        answer = stranger.get(path)
        assert answer.status_code == 403
        assert ErrorAnswer.model_validate_json(answer.content).code == "not_local"


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:3000", 200), ("127.0.0.1", 200), ("[::1]:3000", 200), ("evil.example", 403)]
)
def test_the_service_answers_under_local_names_only(client: TestClient, host: str, status: int) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/v1/queue", "/nowhere", "/docs"])
def test_every_answer_carries_security_headers_and_a_request_id(client: TestClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert len(headers["x-request-id"]) == 32


def test_a_callers_request_id_is_kept_unless_it_is_none(client: TestClient) -> None:
    assert client.get("/healthz", headers={"x-request-id": "night-42"}).headers["x-request-id"] == "night-42"
    assert client.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_a_request_leaves_one_log_line_without_any_account(
    client: TestClient, account_ids: list[str], log_lines: list[bytes]
) -> None:
    client.post("/v1/score", json={"account_ids": account_ids[:2]}, headers={"x-request-id": "r1"})
    client.get(f"/v1/accounts/{account_ids[0]}/decisions")
    client.post("/v1/score", json={"account_ids": [account_ids[0], "nobody"]})
    client.get("/healthz")

    lines = [json.loads(line) for line in log_lines]
    assert [(line["event"], line["route"], line["status"]) for line in lines] == [
        ("request.answered", "/v1/score", 200),
        ("request.answered", "/v1/accounts/{account_id}/decisions", 200),
        ("request.answered", "/v1/score", 404),
    ]
    assert (lines[0]["request_id"], lines[0]["accounts"], lines[2]["code"]) == ("r1", 2, "unknown_account")
    assert account_ids[0].encode() not in b"".join(log_lines)


def test_a_defect_is_answered_in_the_same_shape_and_logged_without_its_message(
    desk: Desk, log_lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(desk)
    monkeypatch.setitem(ALLOWED, ("GET", "/defect"), EVERYONE)

    @client.app.get("/defect")  # type: ignore[attr-defined, untyped-decorator]
    async def defect() -> None:
        raise ValueError("the customer's name")

    answer = client.get("/defect")

    assert answer.status_code == 500
    assert ErrorAnswer.model_validate_json(answer.content).code == "internal_error"
    assert answer.headers["x-request-id"] in answer.json()["message"]
    failed = json.loads(log_lines[0])
    assert (failed["event"], failed["error"]) == ("request.failed", "ValueError")
    assert any(Path(__file__).name in place for place in failed["places"])
    assert b"the customer's name" not in b"".join(log_lines)


def test_a_request_without_an_answer_in_time_is_refused_with_a_retry_hint(
    client: TestClient, account_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.edge.LONGEST_SECONDS", 0.05)
    monkeypatch.setattr("serving.app._decide", lambda *_: time.sleep(0.5))

    answer = client.post("/v1/decisions", json={"account_ids": account_ids[:1]})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert ErrorAnswer.model_validate_json(answer.content).code == "too_long"


def test_who_reads_an_answer_slowly_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.edge.LONGEST_SECONDS", 0.05)
    sent: list[str] = []

    async def slow_reader(message: Message) -> None:
        await anyio.sleep(0.1)
        sent.append(message["type"])

    async def request() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    local = {"client": ("127.0.0.1", 50000), "headers": [(b"host", b"localhost")]}
    asked = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "root_path": "", **local}
    anyio.run(make_app(), asked, request, slow_reader)

    assert sent == ["http.response.start", "http.response.body"]


def test_counters_are_by_route_and_code_never_by_account(desk: Desk, account_ids: list[str]) -> None:
    client = client_of(desk)
    client.post("/v1/score", json={"account_ids": account_ids[:3]})
    client.post("/v1/score", json={"account_ids": []})
    client.get("/v1/decisions/nothing")

    text = client.get("/metrics").text

    assert 'scoring_requests_total{method="POST",route="/v1/score",status="200"} 1.0' in text
    assert 'scoring_accounts_total{route="/v1/score"} 3.0' in text
    assert 'scoring_refusals_total{code="bad_request"} 1.0' in text
    assert 'route="/v1/decisions/{decision_id}"' in text
    assert "scoring_ready 1.0" in text
    assert account_ids[0] not in text


def test_metrics_of_a_service_without_a_bundle_say_so() -> None:
    assert "scoring_ready 0.0" in client_of(None).get("/metrics").text
