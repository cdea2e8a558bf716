"""What OpenAPI shows is what the service does: every route, and examples of the shapes that it gives."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from serving import shapes, wire
from serving.openapi import example_answer, example_bodies

SHAPES = (
    shapes.ReadyAnswer,
    shapes.ScoreAnswer,
    shapes.DecisionsAnswer,
    shapes.QueueAnswer,
    shapes.RecordAnswer,
    shapes.HistoryAnswer,
    shapes.ErrorAnswer,
    shapes.PermitAnswer,
    shapes.ReleaseAnswer,
    shapes.OutcomesAnswer,
    shapes.OverrideAnswer,
    shapes.RequestAnswer,
    shapes.ReplayAnswer,
    wire.PermitRequest,
    wire.OutcomesRequest,
    wire.OverrideRequest,
    wire.CustomerRequest,
)


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_every_route_is_listed(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/healthz", "/readyz", "/metrics", "/v1/score", "/v1/decisions", "/v1/queue", "/v1/decisions/{decision_id}",
        "/v1/decisions/{decision_id}/explanation", "/v1/accounts/{account_id}/decisions", "/v1/permits",
        "/v1/permits/{permit_id}/release", "/v1/outcomes", "/v1/decisions/{decision_id}/override",
        "/v1/decisions/{decision_id}/requests", "/v1/decisions/{decision_id}/replay",
    }  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_an_example_answer_has_its_shape(shape: type[BaseModel]) -> None:
    import orjson

    shape.model_validate_json(orjson.dumps(example_answer(shape)))


def test_the_example_of_a_history_is_answered(client: TestClient) -> None:
    example = example_bodies()["examples"]["inline"]["value"]

    assert client.post("/v1/score", json=example).status_code == 200
    assert client.post("/v1/decisions", json=example).status_code == 200


def test_the_example_of_stored_accounts_is_understood() -> None:
    import orjson

    example = example_bodies()["examples"]["stored"]["value"]

    assert wire.parse_accounts(orjson.dumps(example)).account_ids == example["account_ids"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    known = set(document["components"]["schemas"])

    assert {name.rpartition("/")[2] for name in references(document)} <= known


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")

    assert page.status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"
