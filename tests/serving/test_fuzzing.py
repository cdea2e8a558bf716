"""Whatever the published schema allows: no 5xx, no answer outside the schema; and hostile bodies by hand.

SCORING_FUZZ_CALLS says how many calls of every route are made; a few by default, 3,000 for about fifty thousand in all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

from serving.desk import Desk
from serving.opening import open_desk
from tests.serving.conftest import Home, client_of

CALLS_A_ROUTE = int(os.environ.get("SCORING_FUZZ_CALLS", "15"))


@pytest.fixture(scope="module")
def desk(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = open_desk(replace(home.settings, state=str(tmp_path_factory.mktemp("fuzz") / "state.db")))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> TestClient:
    return client_of(desk)


def test_no_generated_call_finds_a_defect(client: TestClient) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=CALLS_A_ROUTE, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            sent = case.as_transport_kwargs(base_url="http://localhost")
            answer = client.request(**{name: value for name, value in sent.items() if name != "cookies"})
            assert answer.status_code < 500, (case.operation.label, answer.text)
            case.operation.validate_response(answer)

        call()


HOSTILE = {
    "deep": b'{"account_ids":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nan": b'{"account_ids": [NaN]}',
    "infinity": b'{"accounts": [{"accounts": [{"account_id": "A", "credit_limit_cents": 1e400}], "statements": [], '
    b'"payments": []}], "as_of": "2025-01-01"}',
    "control characters": json.dumps({"account_ids": ["A\x00\x1b[2J\u202e"]}).encode(),
    "lone surrogate": b'{"account_ids": ["\\ud800"]}',
    "a key twice": b'{"account_ids": ["A1"], "account_ids": ["A2"]}',
    "absurd day": b'{"account_ids": ["A1"], "as_of": "9999-12-31"}',
    "no day": b'{"account_ids": ["A1"], "as_of": "0000-00-00"}',
    "not utf-8": b'{"account_ids": ["\xff\xfe"]}',
    "empty": b"",
    "a huge number": b'{"account_ids": [' + b"9" * 10_000 + b"]}",
}


@pytest.mark.parametrize(
    "path", ["/v1/score", "/v1/decisions", "/v1/permits", "/v1/outcomes", "/v1/decisions/x/override"]
)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_refused_in_the_one_shape(client: TestClient, path: str, name: str) -> None:
    answer = client.post(path, content=HOSTILE[name], headers={"content-type": "application/json"})

    assert 400 <= answer.status_code < 500, answer.text
    assert set(answer.json()) == {"code", "message", "field", "got", "expected"}
    assert len(answer.text) < 4_000 and "\x1b" not in answer.text


def test_a_history_of_a_hundred_thousand_rows_is_refused_by_name(client: TestClient) -> None:
    row = {"account_id": "A", "paid_at": "2025-01-01", "amount_cents": 1, "kind": "voluntary"}
    paid = [{**row, "payment_id": str(number)} for number in range(100_000)]
    history = {"accounts": [{"account_id": "A"}], "statements": [], "payments": paid}

    answer = client.post("/v1/score", json={"accounts": [history], "as_of": "2025-01-01"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "20000" in answer.json()["message"]
