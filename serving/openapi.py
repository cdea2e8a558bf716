"""OpenAPI: shapes from `serving.wire`, real answers as examples, and a page to read them.

The page uses the Swagger files that BentoML ships, so that it works without the internet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from scoring.portfolio.reading import SMALLEST
from serving.once import LONGEST_KEY
from serving.shapes import ErrorAnswer, ExplanationAnswer
from serving.wire import AccountsRequest, CustomerRequest, OutcomesRequest, OverrideRequest, PermitRequest

PARSED_HERE: Final[tuple[type[BaseModel], ...]] = (
    AccountsRequest, PermitRequest, OutcomesRequest, OverrideRequest, CustomerRequest, ExplanationAnswer,
)  # fmt: skip

EXAMPLES: Final = Path(__file__).parent / "examples.json"
DOCS_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
    )
)
DOCS_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Collections scoring</title>
<link rel="stylesheet" href="/static_content/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#page"})</script>
</body>
</html>
"""
ABOUT: Final = """What to do next with every overdue card account, in what order, and why.

Accounts are named by `account_ids` (of the portfolio that the current plan was made for) or sent whole under
`accounts`: an object per account with its event tables by name, days as `2025-03-31`, instants as
`2025-03-31T09:30:00Z`, money in whole minor units. `accounts`, `statements` and `payments` are required; a table that
is left out counts as not observed, an empty one as observed and empty. One request names 1 to 10,000 accounts, each
once; answers keep the order of the request.

Every refusal has one shape: `code`, `message`, `field`, `got`, `expected`. Until a bundle is promoted and a plan is
made, questions are refused with 409 and `/readyz` says why with 503. Every route but
`/healthz` needs a key (`Authorization: Bearer KEY`) as soon as one was made; before, the service answers its own
machine only. `Idempotency-Key` on a POST gives the same answer to the same request."""
ONCE: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request under the same key is done once, and gets the same answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
    "example": "7f6c1c1e-0b0e-4d3a-9a53-0c4f9a3f3a11",
}
_COMPONENTS: Final = "#/components/schemas/{model}"


@lru_cache(maxsize=1)
def _examples() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(EXAMPLES.read_bytes())
    return found


def example_answer(model: type) -> Any:
    """A real answer of this shape, as a service on the sample gave it."""
    return _examples()[model.__name__]


def example_bodies() -> dict[str, Any]:
    """The schema of a request for accounts, and one example of each kind."""
    stored = {"summary": "Accounts of the current portfolio", "value": _examples()["AccountsRequest"]}
    inline = {"summary": "A whole history", "value": {"accounts": [SMALLEST], "as_of": "2025-04-30"}}
    return {
        "schema": {"$ref": _COMPONENTS.format(model="AccountsRequest")},
        "examples": {"stored": stored, "inline": inline},
    }


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A body that the endpoint parses itself, for OpenAPI, with an example of its own."""
    known = {"schema": {"$ref": _COMPONENTS.format(model=model.__name__)}, "example": _examples()[model.__name__]}
    return {"parameters": [ONCE], "requestBody": {"required": True, "content": {"application/json": known}}}


def answers(model: type, *more: int) -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers, for OpenAPI; refusals may have further statuses."""
    answered = {"model": model, "content": {"application/json": {"example": example_answer(model)}}}
    return {200: answered, **dict.fromkeys((*more, "4XX", "5XX"), refusal_shape())}


def plain_answers(about: str) -> dict[int | str, dict[str, Any]]:
    """Of a route that answers in plain text."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    refused = {"schema": {"$ref": _COMPONENTS.format(model="ErrorAnswer")}, "example": example_answer(ErrorAnswer)}
    refusal = {"description": "A refusal.", "content": {"application/json": refused}}
    return {200: {"description": about, "content": content}, "4XX": refusal, "5XX": refusal}


def explanation_answers() -> dict[int | str, dict[str, Any]]:
    """What an explanation is answered as."""
    kinds = {
        "text/plain": {"schema": {"type": "string"}, "example": example_answer(str)},
        "text/html": {"schema": {"type": "string"}},
        "application/json": {"schema": {"$ref": _COMPONENTS.format(model="ExplanationAnswer")}},
    }
    return {200: {"description": "The explanation.", "content": kinds}, "4XX": refusal_shape(), "5XX": refusal_shape()}


def refusal_shape() -> dict[str, Any]:
    """The one shape of refusals."""
    return {"model": ErrorAnswer, "content": {"application/json": {"example": example_answer(ErrorAnswer)}}}


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The application's OpenAPI document, made once; bodies that the endpoints parse themselves are in it too."""

    @lru_cache(maxsize=1)
    def document() -> dict[str, Any]:
        made = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for model in PARSED_HERE:
            schema = model.model_json_schema(ref_template=_COMPONENTS)
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        one_history = {"$ref": _COMPONENTS.format(model="AccountHistory"), "description": "One history, not in a list."}
        schemas["AccountsRequest"]["properties"]["accounts"]["anyOf"].append(one_history)
        _fill_examples(made["paths"])
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}, {}]
        return made

    return document


def _fill_examples(paths: dict[str, Any]) -> None:
    """Put the examples in again: FastAPI leaves out their nulls, which the shapes require."""
    operations = [operation for methods in paths.values() for operation in methods.values()]
    answered = [answer for operation in operations for answer in operation["responses"].values()]
    for content in (answer.get("content", {}).get("application/json", {}) for answer in answered):
        if "example" in content:
            content["example"] = _examples()[content["schema"]["$ref"].rpartition("/")[2]]
