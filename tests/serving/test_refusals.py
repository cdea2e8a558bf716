"""Every bad request is refused in the one shape, saying what was at fault; no part of it is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from scoring.errors import BadRequestError
from scoring.portfolio.reading import SMALLEST
from serving.desk import Desk
from serving.shapes import ErrorAnswer
from serving.wire import parse_accounts
from tests.serving.conftest import AS_OF, Home, client_of, history_of

DAY = AS_OF.isoformat()


def changed(table: str, number: int = 0, **columns: Any) -> dict[str, Any]:
    """The smallest history with one row changed; None removes a column."""
    history: dict[str, Any] = {name: [dict(row) for row in rows] for name, rows in SMALLEST.items()}
    row = {**history[table][number], **columns}
    history[table][number] = {name: value for name, value in row.items() if value is not None}
    return history


def refused(client: TestClient, body: Any, path: str = "/v1/score") -> tuple[int, ErrorAnswer]:
    answer = client.post(path, content=body) if isinstance(body, bytes) else client.post(path, json=body)
    return answer.status_code, ErrorAnswer.model_validate_json(answer.content)


AS_JSON = {"content-type": "application/json"}
REQUESTS: dict[str, tuple[Any, int, str, str]] = {
    "no accounts": ({"account_ids": []}, 400, "bad_request", "account_ids"),
    "no histories": ({"accounts": [], "as_of": DAY}, 400, "bad_request", "accounts"),
    "too many accounts": ({"account_ids": [f"A{i}" for i in range(10_001)]}, 400, "bad_request", "account_ids"),
    "nothing named": ({}, 400, "bad_request", "account_ids"),
    "both kinds": ({"account_ids": ["A1"], "accounts": [SMALLEST], "as_of": DAY}, 400, "bad_request", "account_ids"),
    "an account twice": ({"account_ids": ["A1", "A1"]}, 400, "bad_request", "account_ids"),
    "a number for an id": ({"account_ids": [1]}, 400, "bad_request", "account_ids.0"),
    "a text for a list": ({"account_ids": "A1"}, 400, "bad_request", "account_ids"),
    "a list for the body": ([], 400, "bad_request", "body"),
    "an unknown key": ({"account_ids": ["A1"], "asof": DAY}, 400, "bad_request", "asof"),
    "a day that is none": ({"account_ids": ["A1"], "as_of": "2026-02-30"}, 400, "bad_request", "as_of"),
    "a number for a day": ({"account_ids": ["A1"], "as_of": 20260930}, 400, "bad_request", "as_of"),
    "an unknown account": ({"account_ids": ["nobody"]}, 404, "unknown_account", "account_ids"),
    "an unknown account on another day": (
        {"account_ids": ["nobody"], "as_of": "2026-08-15"},
        404,
        "unknown_account",
        "account_ids",
    ),
    "a day before the data": ({"account_ids": ["A000001"], "as_of": "1999-01-01"}, 422, "as_of_out_of_range", "as_of"),
    "a day after the data": ({"account_ids": ["A000001"], "as_of": "2031-01-01"}, 422, "as_of_out_of_range", "as_of"),
    "a history without a day": ({"accounts": [SMALLEST]}, 400, "bad_request", "as_of"),
    "a history before its first statement": (
        {"accounts": [SMALLEST], "as_of": "2024-02-01"},
        422,
        "as_of_out_of_range",
        "as_of",
    ),
    "a table that is none": (
        {"accounts": [{**SMALLEST, "debts": []}], "as_of": DAY},
        400,
        "bad_request",
        "accounts.0.debts",
    ),
    "protected data": (
        {"accounts": [{**SMALLEST, "protected": []}], "as_of": DAY},
        400,
        "bad_request",
        "accounts.0.protected",
    ),
    "a table that is missing": (
        {"accounts": [{"accounts": SMALLEST["accounts"]}], "as_of": DAY},
        400,
        "bad_request",
        "accounts.0.statements",
    ),
    "two account rows": (
        {"accounts": [{**SMALLEST, "accounts": SMALLEST["accounts"] * 2}], "as_of": DAY},
        400,
        "bad_request",
        "accounts.0.accounts",
    ),
    "the same history twice": ({"accounts": [SMALLEST, SMALLEST], "as_of": DAY}, 400, "bad_request", "accounts"),
    "a row of another account": (
        {"accounts": [changed("payments", account_id="A2")], "as_of": DAY},
        400,
        "bad_request",
        "accounts.0.payments.0.account_id",
    ),
    "a column that is none": (
        {"accounts": [changed("payments", amount=5)], "as_of": DAY},
        400,
        "bad_request",
        "accounts.payments.amount",
    ),
    "a column that is missing": (
        {"accounts": [changed("statements", due_on=None)], "as_of": DAY},
        422,
        "bad_portfolio",
        "accounts.statements.due_on",
    ),
    "a text for an amount": (
        {"accounts": [changed("payments", amount_cents="ten")], "as_of": DAY},
        422,
        "bad_portfolio",
        "accounts.0.payments.amount_cents",
    ),
    "half a cent": (
        {"accounts": [changed("payments", amount_cents=0.5)], "as_of": DAY},
        422,
        "bad_portfolio",
        "accounts.0.payments.amount_cents",
    ),
    "a negative amount": (
        {"accounts": [changed("payments", amount_cents=-5)], "as_of": DAY},
        422,
        "bad_portfolio",
        "accounts.payments",
    ),
    "an unknown kind": (
        {"accounts": [changed("payments", kind="gift")], "as_of": DAY},
        422,
        "bad_portfolio",
        "accounts.payments",
    ),
    "another currency": (
        {"accounts": [changed("accounts", currency="USD")], "as_of": DAY},
        422,
        "bad_portfolio",
        "accounts.0.accounts.0.currency",
    ),
    "an account without an id": (
        {"accounts": [changed("accounts", account_id=None)], "as_of": DAY},
        400,
        "bad_request",
        "accounts.0.accounts.0.account_id",
    ),
}


@pytest.mark.parametrize("path", ["/v1/score", "/v1/decisions"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_bad_request_is_refused_with_its_field(client: TestClient, desk: Desk, name: str, path: str) -> None:
    body, status, code, field = REQUESTS[name]
    before = desk.ledger.head()  # type: ignore[union-attr]

    got_status, error = refused(client, body, path)

    assert (got_status, error.code, error.field) == (status, code, field), error
    assert error.message.endswith(".")
    assert desk.ledger.head() == before  # type: ignore[union-attr]


def test_the_faulty_history_of_several_is_named(client: TestClient, home: Home, account_ids: list[str]) -> None:
    wrong = history_of(home, account_ids[1])
    wrong["statements"][2]["balance_cents"] = "a lot"

    status, error = refused(client, {"accounts": [history_of(home, account_ids[0]), wrong], "as_of": DAY})

    assert status == 422
    assert error.field == "accounts.1.statements.balance_cents"
    assert account_ids[1] in error.message
    assert "row 2" in error.message


def test_a_required_value_that_is_missing_in_one_row_is_refused(
    client: TestClient, home: Home, account_ids: list[str]
) -> None:
    history = history_of(home, account_ids[0])
    del history["statements"][1]["due_on"]

    status, error = refused(client, {"accounts": [history], "as_of": DAY})

    assert (status, error.code) == (422, "bad_portfolio")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
BODIES = JSON | st.fixed_dictionaries({}, optional={"account_ids": JSON, "accounts": JSON, "as_of": JSON})


@given(body=BODIES)
def test_any_json_is_either_a_request_or_refused_in_the_one_shape(body: Any) -> None:
    try:
        asked = parse_accounts(json.dumps(body).encode())
    except BadRequestError as error:
        ErrorAnswer.model_validate_json(json.dumps(error.as_dict()))
    else:
        assert 1 <= len(asked.named()) <= 10_000


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"account_ids=A1"])
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/score", content=body, headers=AS_JSON)

    assert answer.status_code == 400
    assert answer.json()["field"] == "body"


def test_a_body_of_another_kind_is_refused_so_that_no_web_page_can_send_it(client: TestClient) -> None:
    answer = client.post("/v1/decisions", content=b'{"account_ids": ["A1"]}', headers={"content-type": "text/plain"})

    assert answer.status_code == 400
    assert answer.json()["field"] == "content-type"


@pytest.mark.parametrize("stated", [True, False])
def test_a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not(desk: Desk, stated: bool) -> None:
    body = b'{"account_ids": ["' + b"A" * 2000 + b'"]}'
    small = client_of(desk, most_body_bytes=1000)

    answer = small.post("/v1/score", content=body if stated else iter([body]), headers=AS_JSON)

    assert answer.status_code == 413
    assert answer.json()["expected"] == "<= 1000 bytes"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2/score", 404), ("DELETE", "/v1/score", 405)])
def test_a_path_that_is_not_there_is_refused_in_the_same_shape(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)

    assert answer.status_code == status
    assert "/v1/score" in ErrorAnswer.model_validate_json(answer.content).message


def test_no_value_of_a_faulty_row_but_the_one_at_fault_is_repeated(client: TestClient) -> None:
    history = changed("accounts", channel_addresses="13800000000")
    history["payments"][0]["amount_cents"] = "ten"

    answer = client.post("/v1/score", json={"accounts": [history], "as_of": DAY})

    assert "13800000000" not in answer.text
