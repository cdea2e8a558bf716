"""The HTTP application: each endpoint parses, asks the desk, and replies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Final, TypeVar

import anyio
import anyio.to_thread
import orjson
from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

import scoring
from scoring.errors import BadRequestError, NotReadyError, ScoringError
from scoring.explanations import explain
from serving import shapes, wire
from serving.admission import Admission
from serving.answers import record_answer, score_rows
from serving.desk import Desk
from serving.edge import Edge, retry_headers, status_of
from serving.meters import CONTENT_TYPE, Meters
from serving.openapi import DOCS_PAGE, DOCS_POLICY, described, example_answer, example_bodies

FEW: Final = 32
"""Up to this many stored accounts are scored at once on the event loop; a worker thread costs more than it frees."""
TOO_MUCH: Final = 8
"""A body of this many times the limit is cut off without reading on."""
Answer = TypeVar("Answer")
RecordId = Annotated[str, Path(max_length=200)]


class Threads:
    """A bounded number of worker threads for work that would hold up other requests."""

    def __init__(self, most: int) -> None:
        self._limiter = anyio.CapacityLimiter(most)

    async def run(self, work: Callable[..., Answer], *values: Any) -> Answer:
        """The result of ``work`` done in a thread; a caller that goes away does not stop it half way."""
        return await anyio.to_thread.run_sync(partial(work, *values), limiter=self._limiter)


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def make_app() -> FastAPI:
    """The application without anything loaded: `equip` gives it a desk.

    Examples
    --------
    >>> sorted(make_app().openapi()["paths"])[:2]
    ['/healthz', '/metrics']
    """
    app = FastAPI(
        title="Collections scoring", version=scoring.__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.meters, app.state.admission = Meters(), Admission(None)
    app.add_middleware(Edge, meters=app.state.meters)
    app.add_exception_handler(ScoringError, _refused)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _no_route)
    _add_probes(app)
    _add_questions(app)
    _add_records(app)
    app.openapi = described(app)  # type: ignore[method-assign]
    return app


def equip(
    app: FastAPI,
    desk: Desk,
    *,
    threads: int = 2,
    most_body_bytes: int = wire.MOST_BODY_BYTES,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Give the application what it answers from, and the clock it reads."""
    app.state.desk, app.state.threads, app.state.most_body_bytes = desk, Threads(threads), most_body_bytes
    app.state.admission, app.state.clock = Admission(desk.known_state(), rate=desk.limits.rate), clock
    app.state.meters.ready.set(float(desk.is_ready()))


def desk_of(request: Request) -> Desk:
    """The desk; refuses before anything was loaded."""
    desk = getattr(request.app.state, "desk", None)
    if isinstance(desk, Desk):
        return desk
    raise NotReadyError("The service is still loading. Ask again in a few seconds.")


def _add_probes(app: FastAPI) -> None:
    @app.get("/healthz", tags=["operation"], summary="Whether the process is alive")
    async def healthz() -> Response:
        return _json({"alive": True})

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return _json({"alive": True})

    @app.get(
        "/readyz",
        tags=["operation"],
        summary="Whether every question can be answered",
        responses=_answers(shapes.ReadyAnswer, 503),
    )
    async def readyz(request: Request) -> Response:
        try:
            return _json(desk_of(request).ready_facts())
        except ScoringError as error:
            request.scope["refusal_code"] = error.code
            return _json(error.as_dict(), 503)

    @app.get("/metrics", tags=["operation"], summary="Counters for Prometheus")
    async def metrics(request: Request) -> Response:
        return Response(request.app.state.meters.text(), media_type=CONTENT_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def document(request: Request) -> Response:
        return _json(request.app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(DOCS_PAGE, media_type="text/html", headers={"content-security-policy": DOCS_POLICY})

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return RedirectResponse("/docs")


def _add_questions(app: FastAPI) -> None:
    body = {"requestBody": {"required": True, "content": {"application/json": example_bodies()}}}

    @app.post(
        "/v1/score",
        tags=["questions"],
        summary="Scores with reasons; records nothing",
        openapi_extra=body,
        responses=_answers(shapes.ScoreAnswer),
    )
    async def score(request: Request) -> Response:
        asked, desk = await _asked(request), desk_of(request)
        quick = desk.is_quick(asked) and len(asked.account_ids or ()) <= FEW
        content = _score(desk, asked) if quick else await request.app.state.threads.run(_score, desk, asked)
        return Response(content, media_type="application/json")

    @app.post(
        "/v1/decisions",
        tags=["questions"],
        summary="Decides and records",
        openapi_extra=body,
        responses=_answers(shapes.DecisionsAnswer),
    )
    async def decisions(request: Request) -> Response:
        asked, desk = await _asked(request), desk_of(request)
        content = await request.app.state.threads.run(_decide, desk, asked, request.app.state.clock())
        return Response(content, media_type="application/json")

    @app.get(
        "/v1/queue",
        tags=["questions"],
        summary="The current plan's queue, in order",
        responses=_answers(shapes.QueueAnswer),
    )
    async def queue(request: Request, query: Annotated[wire.QueueQuery, Query()]) -> Response:
        plan = desk_of(request).plan()
        rows, cursor = plan.page(query.channel, query.limit, query.cursor)
        return _json({"run_id": plan.run_id, "as_of": plan.as_of.isoformat(), "rows": rows, "next_cursor": cursor})


def _add_records(app: FastAPI) -> None:
    @app.get(
        "/v1/decisions/{decision_id}",
        tags=["records"],
        summary="One decision as recorded",
        responses=_answers(shapes.RecordAnswer),
    )
    async def decision(request: Request, decision_id: RecordId) -> Response:
        return _json(record_answer(desk_of(request).decision(decision_id)))

    @app.get(
        "/v1/decisions/{decision_id}/explanation",
        tags=["records"],
        summary="One decision in words",
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"example": example_answer(str)}}}, "4XX": _refusal_shape()},
    )
    async def explanation(
        request: Request, decision_id: RecordId, lang: str = "en", audience: str = "compliance"
    ) -> Response:
        worded = explain(desk_of(request).decision(decision_id), lang=lang, audience=audience)
        return PlainTextResponse(worded, headers={"content-language": lang})

    @app.get(
        "/v1/accounts/{account_id}/decisions",
        tags=["records"],
        summary="One account's decisions",
        responses=_answers(shapes.HistoryAnswer),
    )
    async def account_decisions(
        request: Request, account_id: RecordId, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> Response:
        found = desk_of(request).decisions_of(account_id, limit)
        return _json({"account_id": account_id, "decisions": [record_answer(record) for record in found]})


def _score(desk: Desk, asked: wire.AccountsRequest) -> bytes:
    scores = desk.score(asked)
    return _bytes(
        {"as_of": _day(scores.frame.as_of), "bundle_id": desk.bundle().bundle_id, "scores": score_rows(scores)}
    )


def _decide(desk: Desk, asked: wire.AccountsRequest, recorded_at: datetime) -> bytes:
    rows = desk.decide(asked, recorded_at)
    content = desk.content(row["channel"] for row in rows)
    return _bytes(
        {"as_of": rows[0]["as_of"], "bundle_id": desk.bundle().bundle_id, "decisions": rows, "content": content}
    )


async def _asked(request: Request) -> wire.AccountsRequest:
    """The accounts a request asks for, read within the limit of the body's size."""
    desk_of(request).bundle()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequestError(
            "Send the body as JSON, with the header Content-Type: application/json.",
            field="content-type",
            got=kind[:50],
            expected="application/json",
        )
    body = await _body(request, request.app.state.most_body_bytes)
    asked = (
        wire.parse_accounts(body)
        if len(body) < 1 << 16
        else await request.app.state.threads.run(wire.parse_accounts, body)
    )
    request.scope["n_accounts"] = len(asked.named())
    return asked


async def _body(request: Request, most: int) -> bytes:
    """The body. One that is too large is read on for a while and thrown away, so that its sender sees the refusal."""
    size, pieces = 0, []
    async for piece in request.stream():
        size += len(piece)
        if size <= most:
            pieces.append(piece)
        elif size > TOO_MUCH * most:
            break
    if size > most:
        raise wire.TooLargeError(
            f"The body is larger than {most} bytes. Split the request.", field="body", expected=f"<= {most} bytes"
        )
    return b"".join(pieces)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ScoringError)
    request.scope["refusal_code"] = error.code
    more = {name.decode(): value.decode() for name, value in retry_headers(error)}
    return Response(_bytes(error.as_dict()), status_of(error), more, media_type="application/json")


async def _misfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = dict(error.errors()[0])
    fault["loc"] = tuple(fault["loc"])[1:]
    return await _refused(request, wire.refusal_of(fault))


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = ", ".join(sorted(request.app.openapi()["paths"]))
    refusal = BadRequestError(
        f"There is no {request.method} here. Known paths: {known}.", field="path", expected="see /openapi.json"
    )
    request.scope["refusal_code"] = refusal.code
    return _json(refusal.as_dict(), error.status_code)


def _answers(model: type, refused: int | str = "4XX") -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers, for OpenAPI."""
    answered = {"model": model, "content": {"application/json": {"example": example_answer(model)}}}
    return {200: answered, refused: _refusal_shape()}


def _refusal_shape() -> dict[str, Any]:
    return {
        "model": shapes.ErrorAnswer,
        "content": {"application/json": {"example": example_answer(shapes.ErrorAnswer)}},
    }


def _day(day: date) -> str:
    return day.isoformat()


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value)


def _json(value: Any, status: int = 200) -> Response:
    return Response(_bytes(value), status, media_type="application/json")
