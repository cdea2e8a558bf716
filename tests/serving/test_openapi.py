"""What OpenAPI shows is what the service does: every route, and examples of the shapes that it gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import schemathesis
from pydantic import BaseModel
from starlette.testclient import TestClient

from scoring.portfolio.reading import SMALLEST
from serving import shapes, wire
from serving.openapi import EXAMPLES, example_answer, example_bodies
from tests.serving.conftest import Home
from tests.serving.examples import made, sample_service

SHAPES = (
    shapes.AliveAnswer,
    shapes.ReadyAnswer,
    shapes.ExplanationAnswer,
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
    wire.AccountsRequest,
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

    shape.model_validate_json(orjson.dumps(example_answer(shape)))


def test_the_example_of_a_history_is_answered(client: TestClient) -> None:
    example = example_bodies()["examples"]["inline"]["value"]

    assert client.post("/v1/score", json=example).status_code == 200
    assert client.post("/v1/decisions", json=example).status_code == 200


def test_the_example_of_stored_accounts_is_understood() -> None:

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


def test_the_examples_are_those_that_a_service_gives_today(home: Home, tmp_path: Path) -> None:
    own = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    with sample_service(own, tmp_path / "state.db") as client:
        today = made(client)

    kept = json.loads(EXAMPLES.read_bytes())
    assert set(today) == set(kept), "run: python -m tests.serving.examples"
    assert {name: outline(value) for name, value in today.items()} == {
        name: outline(value) for name, value in kept.items()
    }


def outline(value: Any) -> Any:
    """What a value is made of, without saying how much: kinds of values by name."""
    if isinstance(value, dict):
        return {name: outline(one) for name, one in value.items()}
    if isinstance(value, list):
        return outline(value[0]) if value and isinstance(value[0], dict) else "list"
    return "text" if isinstance(value, str) else "number" if isinstance(value, int | float) else "nothing"


def test_the_schema_is_valid_openapi_and_every_example_fits_it(client: TestClient, document: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()

    fitting = [fits(document, *place) for place in examples_in(document)]

    assert len(fitting) > 30 and all(fitting)


def test_a_history_that_is_sent_without_a_list_is_published_as_it_is_accepted(
    client: TestClient, document: dict[str, Any]
) -> None:
    alone = {"accounts": SMALLEST, "as_of": "2025-04-30"}

    assert client.post("/v1/score", json=alone).status_code == 200
    assert fits(document, {"$ref": "#/components/schemas/AccountsRequest"}, alone)


def examples_in(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every example with the schema beside it."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in part.get("content", {}).values():
                    for example in (content, *content.get("examples", {}).values()):
                        if "example" in example or "value" in example:
                            yield content["schema"], example.get("example", example.get("value"))


def fits(document: dict[str, Any], schema: dict[str, Any], example: Any) -> bool:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(example)
    return True
