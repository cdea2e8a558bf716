"""Routes over single decisions: the record, its explanation, its history, override, requests and replay.

Whoever looks at a decision is recorded first, so that an answer that cannot be accounted for is not given.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import orjson
from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import Response

from scoring.explanations import explain, page_html
from serving import shapes, wire
from serving.answers import is_degraded, record_answer
from serving.asking import answer_once, caller_of, desk_of, refuse_repeated_parameters, threads_of
from serving.bodies import parsed
from serving.desk import Desk
from serving.openapi import answers, body_of, explanation_answers
from serving.reviewing import override_decision, record_access, replay_decision, request_about

RecordId = Annotated[str, Path(max_length=200, pattern=wire.NO_NUL)]
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
KINDS = {"text": "text/plain; charset=utf-8", "html": "text/html; charset=utf-8", "json": "application/json"}


def add_review(app: FastAPI) -> None:
    """Add the routes."""

    @app.get(
        "/v1/decisions/{decision_id}",
        tags=["records"],
        summary="One decision as recorded",
        responses=answers(shapes.RecordAnswer),
    )
    async def decision(request: Request, decision_id: RecordId) -> Response:
        desk, caller, now = desk_of(request), caller_of(request), request.app.state.clock()

        def work() -> bytes:
            record = desk.decision(decision_id)
            record_access(desk, [record], caller, "record", now)
            return orjson.dumps(record_answer(record))

        return Response(await threads_of(request).run(work), media_type="application/json")

    _add_explanation(app)

    @app.get(
        "/v1/accounts/{account_id}/decisions",
        tags=["records"],
        summary="One account's decisions",
        responses=answers(shapes.HistoryAnswer),
    )
    async def account_decisions(
        request: Request, account_id: RecordId, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> Response:
        refuse_repeated_parameters(request)
        desk, caller, now = desk_of(request), caller_of(request), request.app.state.clock()

        def work() -> bytes:
            found = desk.decisions_of(account_id, limit)
            record_access(desk, found, caller, "history", now)
            return orjson.dumps({"account_id": account_id, "decisions": [record_answer(record) for record in found]})

        return Response(await threads_of(request).run(work), media_type="application/json")

    @app.post(
        "/v1/decisions/{decision_id}/override",
        tags=["records"],
        summary="Otherwise than was decided, and why; two persons for a harsher channel",
        openapi_extra=body_of(wire.OverrideRequest),
        responses=answers(shapes.OverrideAnswer),
    )
    async def override(request: Request, decision_id: RecordId) -> Response:
        asked, body = await parsed(request, wire.OverrideRequest)
        caller = caller_of(request)

        def work(desk: Desk, key: str | None, now: datetime) -> bytes:
            return orjson.dumps(override_decision(desk, decision_id, asked, caller, now))

        return await answer_once(request, body, work)

    @app.post(
        "/v1/decisions/{decision_id}/requests",
        tags=["records"],
        summary="A customer asks for an explanation, a person or a correction; says by when it is answered",
        openapi_extra=body_of(wire.CustomerRequest),
        responses=answers(shapes.RequestAnswer),
    )
    async def requests(request: Request, decision_id: RecordId) -> Response:
        asked, body = await parsed(request, wire.CustomerRequest)

        def work(desk: Desk, key: str | None, now: datetime) -> bytes:
            return orjson.dumps(request_about(desk, decision_id, asked, now))

        return await answer_once(request, body, work)

    @app.post(
        "/v1/decisions/{decision_id}/replay",
        tags=["records"],
        summary="Computed again from its record and the archived bundle, and compared value by value",
        responses=answers(shapes.ReplayAnswer),
    )
    async def replay(request: Request, decision_id: RecordId) -> Response:
        desk, caller, now = desk_of(request), caller_of(request), request.app.state.clock()

        def work() -> bytes:
            record_access(desk, [desk.decision(decision_id)], caller, "replay", now)
            return orjson.dumps(replay_decision(desk, decision_id))

        return Response(await threads_of(request).run(work, is_long=True), media_type="application/json")


def _add_explanation(app: FastAPI) -> None:
    @app.get(
        "/v1/decisions/{decision_id}/explanation",
        tags=["records"],
        summary="One decision in words: text, one HTML page with its charts, or JSON",
        responses=explanation_answers(),
    )
    async def explanation(
        request: Request, decision_id: RecordId, query: Annotated[wire.ExplanationQuery, Query()]
    ) -> Response:
        refuse_repeated_parameters(request)
        kind = query.format or wanted(request.headers.get("accept", ""))
        desk, caller, now = desk_of(request), caller_of(request), request.app.state.clock()

        def work() -> tuple[str, bool]:
            record = desk.decision(decision_id)
            record_access(desk, [record], caller, f"explanation for {query.audience}", now)
            worded = page_html if kind == "html" else explain
            return str(worded(record, lang=query.lang, audience=query.audience)), is_degraded(record)

        text, degraded = await threads_of(request).run(work)
        if kind == "json":
            text = orjson.dumps(
                {
                    "decision_id": decision_id,
                    "lang": query.lang,
                    "audience": query.audience,
                    "degraded": degraded,
                    "text": text,
                }
            ).decode()
        headers = {"content-language": query.lang} | (
            {"content-security-policy": PAGE_POLICY} if kind == "html" else {}
        )
        return Response(text, headers=headers, media_type=KINDS[kind])


def wanted(accept: str) -> str:
    """Text unless the caller would rather have HTML or JSON.

    >>> wanted("text/html,application/xhtml+xml"), wanted("application/json"), wanted("*/*"), wanted("")
    ('html', 'json', 'text', 'text')
    """
    for part in accept.split(","):
        for kind in ("html", "json"):
            if part.partition(";")[0].strip() == KINDS[kind].partition(";")[0]:
                return kind
    return "text"
