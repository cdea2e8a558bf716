"""Routes of the working day: permits before a contact, outcomes after it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Path, Request
from fastapi.responses import Response

from serving import shapes, wire
from serving.asking import answer_once
from serving.bodies import parsed
from serving.desk import Desk
from serving.openapi import answers, body_of
from serving.outcomes import tell, told_on_stale
from serving.permitting import permit
from serving.state.permits import RELEASED, end_permit

PermitId = Annotated[str, Path(max_length=200, pattern=wire.NO_NUL)]


def add_day(app: FastAPI) -> None:
    """Add the routes."""

    @app.post(
        "/v1/permits",
        tags=["day"],
        summary="The check just before a contact; reserves its place under every cap",
        openapi_extra=body_of(wire.PermitRequest),
        responses=answers(shapes.PermitAnswer),
    )
    async def permits(request: Request) -> Response:
        asked, body = await parsed(request, wire.PermitRequest)

        def work(desk: Desk, key: str | None, _: datetime) -> bytes:
            given = permit(desk, asked, key, request.app.state.clock())
            request.app.state.meters.permit(str(asked.channel), given)
            return orjson.dumps(given)

        return await answer_once(request, body, work, is_long=True)

    @app.post(
        "/v1/permits/{permit_id}/release",
        tags=["day"],
        summary="Gives a permit back whose contact will not be made",
        responses=answers(shapes.ReleaseAnswer),
    )
    async def release(request: Request, permit_id: PermitId) -> Response:
        def work(desk: Desk, key: str | None, now: datetime) -> bytes:
            end_permit(desk.needed_state(), permit_id, RELEASED, now, may_be_ours=key is not None)
            return orjson.dumps({"permit_id": permit_id, "released": True})

        return await answer_once(request, b"", work)

    @app.post(
        "/v1/outcomes",
        tags=["day"],
        summary="What happened: kept once by its key, recorded, and the account decided again",
        openapi_extra=body_of(wire.OutcomesRequest),
        responses=answers(shapes.OutcomesAnswer),
    )
    async def outcomes(request: Request) -> Response:
        asked, body = await parsed(request, wire.OutcomesRequest)
        request.scope["n_accounts"] = len(asked.outcomes)

        def work(desk: Desk, key: str | None, now: datetime) -> bytes:
            told: list[dict[str, Any]] = [tell(desk, outcome, now) for outcome in asked.outcomes]
            for outcome in asked.outcomes:
                request.app.state.meters.outcomes.labels(outcome.kind).inc()
            request.app.state.meters.decided(one["decision"] for one in told if one["decision"] and one["is_new"])
            request.app.state.meters.blocked(desk.blocked)
            content = orjson.dumps({"is_stale": told_on_stale(desk, now), "outcomes": told})
            request.app.state.shadow.decided(desk, content, len(told))
            return content

        return await answer_once(request, body, work, is_long=True)
