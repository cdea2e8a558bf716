"""The HTTP application: each endpoint parses, asks the desk, and replies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeVar, cast

import orjson
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

import scoring
from scoring.errors import BadRequestError, ScoringError
from serving import shapes, wire
from serving.admission import Admission
from serving.answers import score_rows
from serving.asking import Threads, desk_of, key_of, refreshed, refuse_long, refuse_repeated_parameters, threads_of
from serving.bodies import LARGE, json_body
from serving.day_routes import add_day
from serving.desk import Desk
from serving.edge import Edge, retry_headers, status_of
from serving.equipment import Equipment
from serving.inline_accounts import has_few_rows
from serving.meters import CONTENT_TYPE, Meters
from serving.once import once
from serving.openapi import DOCS_PAGE, DOCS_POLICY, ONCE, answers, described, example_bodies, plain_answers
from serving.quick_scores import Answered, quick_scores
from serving.review_routes import add_review
from serving.shadow import Shadow
from serving.silent_databases import refuse_silent_databases
from serving.state.database import RETRY_AFTER_SECONDS

RETRY_LATER: Final = {"retry-after": str(RETRY_AFTER_SECONDS)}
FEW: Final = 100
"""Up to this many stored accounts are scored at once on the event loop; a worker thread costs more than it frees."""
FEW_DECIDED: Final = 10
"""Up to this many stored accounts are decided among the work that does not take long."""
DIRECT: Final = frozenset({"/v1/score", "/v1/decisions"})
"""Paths whose endpoints read everything from the request themselves."""
Answer = TypeVar("Answer")


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
        title="Collections scoring",
        version=scoring.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False},  # what is told of requests are our meters and log lines
    )
    meters = Meters()
    app.state = cast(
        Any, Equipment(meters, Admission(None), Shadow(meters, utc_now), Threads(2), utc_now, wire.MOST_BODY_BYTES)
    )
    direct: dict[tuple[str, str], APIRoute] = {}
    app.add_middleware(Edge, meters=meters, direct=direct)
    app.add_exception_handler(ScoringError, _refused)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _no_route)
    _add_probes(app)
    _add_questions(app)
    add_day(app)
    add_review(app)
    direct.update(
        {("POST", route.path): route for route in app.routes if isinstance(route, APIRoute) and route.path in DIRECT}
    )
    app.openapi = described(app)  # type: ignore[method-assign]
    app.middleware_stack = _edge_of(app.build_middleware_stack())
    return app


def _edge_of(stack: Any) -> Edge:
    """The edge as the outermost layer: of what FastAPI puts around it nothing is used (its own limit on bodies, its telemetry), and an
    error is answered before it would come there."""
    while not isinstance(stack, Edge):
        stack = stack.app
    return stack


def equip(
    app: FastAPI,
    desk: Desk,
    *,
    threads: int = 2,
    most_body_bytes: int = wire.MOST_BODY_BYTES,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Give the application what it answers from, and the clock it reads."""
    app.state.threads, app.state.most_body_bytes, app.state.clock = Threads(threads), most_body_bytes, clock
    app.state.shadow.stop()
    app.state.shadow = Shadow(app.state.meters, clock)
    put_in_use(app, desk)


def put_in_use(app: FastAPI, desk: Desk) -> None:
    """Answer from this desk from now on; requests that are under way keep theirs."""
    known = desk.known_state()
    if known is None or app.state.admission.state is not known:
        app.state.admission = Admission(known, unread=desk.unread_state(), rate=desk.limits.rate)
    app.state.desk = desk
    app.state.meters.ready.set(float(desk.is_ready()))
    for name, values in desk.reference_scores().items():
        app.state.meters.expect(name, values)


def _add_probes(app: FastAPI) -> None:
    @app.get(
        "/healthz",
        tags=["operation"],
        summary="Whether the process is alive",
        responses=answers(shapes.AliveAnswer),
    )
    async def healthz() -> Response:
        return _json({"alive": True})

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return _json({"alive": True})

    @app.get(
        "/readyz",
        tags=["operation"],
        summary="Whether every question can be answered",
        responses=answers(shapes.ReadyAnswer, 503),
    )
    async def readyz(request: Request) -> Response:
        try:
            facts = desk_of(request).ready_facts()
            await threads_of(request).run(refuse_silent_databases, desk_of(request))
            return _json(facts)
        except ScoringError as error:
            request.scope["refusal_code"] = error.code
            return Response(_bytes(error.as_dict()), 503, RETRY_LATER, media_type="application/json")

    @app.get(
        "/metrics",
        tags=["operation"],
        summary="Counters for Prometheus",
        response_class=PlainTextResponse,
        responses=plain_answers("Counters, in the text format of Prometheus."),
    )
    async def metrics(request: Request) -> Response:
        state = request.app.state
        desk, meters = state.desk, state.meters  # another desk may be put in use meanwhile
        if desk is not None:
            meters.degraded.set(float(desk.condition.is_degraded))
            if not isinstance(desk.day, ScoringError):
                meters.data_age.set(desk.age_days(state.clock()))
        return Response(meters.text(), media_type=CONTENT_TYPE)

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
        responses=answers(shapes.ScoreAnswer),
    )
    async def score(request: Request) -> Response:
        asked, state = await _asked(request), request.app.state
        desk = desk_of(request) if asked.account_ids is None else await refreshed(request)
        now, is_short = state.clock(), _is_short(asked)
        found = quick_scores(desk, asked) if is_short else None
        if found is not None:
            content = _score(desk, asked, now, state.meters, found)
        else:
            slowly = _score if is_short else _score_many
            is_long = not (is_short and desk.is_quick(asked))
            content = await state.threads.run(slowly, desk, asked, now, state.meters, is_long=is_long)
        state.shadow.scored(desk, asked, content)
        return Response(content, media_type="application/json")

    @app.post(
        "/v1/decisions",
        tags=["questions"],
        summary="Decides and records",
        openapi_extra=body | {"parameters": [ONCE]},
        responses=answers(shapes.DecisionsAnswer),
    )
    async def decisions(request: Request) -> Response:
        asked, desk, key = await _asked(request), desk_of(request), key_of(request)
        now, meters = request.app.state.clock(), request.app.state.meters

        def done() -> bytes:
            if key is None:
                return _decide(desk, asked, now, meters)
            body = asked.model_dump_json().encode()
            return once(desk.needed_state(), key, body, now, lambda at: _decide(desk, asked, at, meters))

        is_long = len(asked.named()) > FEW_DECIDED or not desk.is_soon_decided(asked)
        content = await request.app.state.threads.run(done, is_long=is_long)
        request.app.state.shadow.decided(desk, content, len(asked.named()))
        return Response(content, media_type="application/json")

    @app.get(
        "/v1/queue",
        tags=["questions"],
        summary="The current plan's queue, in order",
        responses=answers(shapes.QueueAnswer),
    )
    async def queue(request: Request, query: Annotated[wire.QueueQuery, Query()]) -> Response:
        refuse_repeated_parameters(request)
        desk = await refreshed(request)
        plan = desk.plan()
        rows, cursor = desk.queues.page(query.channel, query.limit, query.cursor)
        is_stale = desk.is_stale(request.app.state.clock())
        told = {"run_id": plan.run_id, "as_of": plan.as_of.isoformat(), "is_stale": is_stale}
        told["degraded"] = desk.condition.is_degraded
        return _json({**told, "rows": rows, "next_cursor": cursor})


def _is_short(asked: wire.AccountsRequest) -> bool:
    """Whether a question is answered on the event loop where it can be: a worker thread would cost more than it frees."""
    return has_few_rows(asked) if asked.account_ids is None else len(asked.account_ids) <= FEW


def _score_many(desk: Desk, asked: wire.AccountsRequest, now: datetime, meters: Meters) -> bytes:
    return _score(desk, asked, now, meters, quick_scores(desk, asked))


def _score(
    desk: Desk, asked: wire.AccountsRequest, now: datetime, meters: Meters, quick: Answered | None = None
) -> bytes:
    flags = _flags(desk, asked, now)
    if quick is not None:
        found, as_of, degraded = quick.rows, quick.as_of, False
    else:
        scored = desk.scored(asked)
        by_account = {row["account_id"]: row for scores, _ in scored for row in score_rows(scores)}
        found = [by_account[name] for name in asked.named()]
        as_of, degraded = scored[0][0].frame.as_of, any(by_card for _, by_card in scored)
    meters.scored(found)
    told = {"as_of": _day(as_of), "bundle_id": desk.bundle().bundle_id, **flags, "degraded": degraded}
    return _bytes({**told, "scores": found})


def _decide(desk: Desk, asked: wire.AccountsRequest, recorded_at: datetime, meters: Meters) -> bytes:
    desk.refresh()
    flags = _flags(desk, asked, recorded_at)
    rows = desk.decide(asked, recorded_at)
    meters.decided(rows)
    meters.blocked(desk.blocked)
    content = desk.content(row["channel"] for row in rows)
    return _bytes(
        {
            "as_of": rows[0]["as_of"],
            "bundle_id": desk.bundle().bundle_id,
            **flags,
            "degraded": desk.condition.is_degraded or any(row["degraded"] for row in rows),
            "decisions": rows,
            "content": content,
        }
    )


def _flags(desk: Desk, asked: wire.AccountsRequest, now: datetime) -> dict[str, bool]:
    """Whether stored accounts are answered from data older than it may be; histories are as new as who sent them."""
    return {"is_stale": asked.account_ids is not None and desk.is_stale(now)}


async def _asked(request: Request) -> wire.AccountsRequest:
    """The accounts a request asks for, read within the limit of the body's size; another desk may be in use once it has come."""
    desk = desk_of(request)
    desk.bundle()
    body = await json_body(request)
    is_small = len(body) < LARGE
    asked = (
        wire.parse_accounts(body)
        if is_small
        else await threads_of(request).run(wire.parse_accounts, body, is_long=True)
    )
    request.scope["n_accounts"] = n_accounts = len(asked.named())
    refuse_long("accounts", n_accounts, desk.limits.accounts)
    for place, history in enumerate(asked.accounts or ()):
        refuse_long(f"accounts.{place}", sum(map(len, history.tables().values())), desk.limits.rows)
    return asked


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
    return Response(_bytes(refusal.as_dict()), error.status_code, error.headers, media_type="application/json")


def _day(day: date) -> str:
    return day.isoformat()


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value)


def _json(value: Any, status: int = 200) -> Response:
    return Response(_bytes(value), status, media_type="application/json")
