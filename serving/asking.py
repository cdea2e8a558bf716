"""What every route needs of its request: the desk, the caller, worker threads, an answer that is given once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import orjson
from fastapi import Request
from fastapi.responses import Response

from scoring.errors import BadRequestError, NotReadyError
from serving.desk import Desk
from serving.once import asked_with, once
from serving.state.keys import Caller

Answer = TypeVar("Answer")
Work = Callable[[Desk, str | None, datetime], bytes]
"""Answers under an idempotency key, as of an instant."""


class Threads:
    """A bounded number of worker threads for work that would hold up other requests, and as many for work that takes long: what is
    answered in milliseconds, a decision of the plan or a page of the queue, never stands in line behind permits and outcomes."""

    def __init__(self, most: int) -> None:
        self._short, self._long = anyio.CapacityLimiter(most), anyio.CapacityLimiter(most)

    async def run(self, work: Callable[..., Answer], *values: Any, is_long: bool = False) -> Answer:
        """The result of ``work`` done in a thread; a caller that goes away does not stop it half way."""
        limiter = self._long if is_long else self._short
        return await anyio.to_thread.run_sync(partial(work, *values), limiter=limiter)


def desk_of(request: Request) -> Desk:
    """The desk; refuses before anything was loaded."""
    desk: Desk | None = request.app.state.desk
    if desk is None:
        raise NotReadyError("The service is still loading. Ask again in a few seconds.")
    return desk


def threads_of(request: Request) -> Threads:
    """The worker threads."""
    threads: Threads = request.app.state.threads
    return threads


def caller_of(request: Request) -> Caller | None:
    """Who asks; None where nobody needs to say so."""
    caller: Caller | None = request.scope.get("caller")
    return caller


async def refreshed(request: Request) -> Desk:
    """The desk with everything that was told by now."""
    desk = desk_of(request)
    state = desk.known_state()
    if state is not None and not state.is_sqlite:
        await threads_of(request).run(desk.refresh)
    else:
        desk.refresh()
    return desk


def key_of(request: Request) -> str | None:
    """The idempotency key as it is kept; None where the request has none."""
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    caller = caller_of(request)
    who = "local" if caller is None else caller.key_id
    return asked_with(header, who, request.url.path[:100])


async def answer_once(request: Request, body: bytes, work: Work, *, is_long: bool = False) -> Response:
    """The answer of ``work``; the answer it gave before where the request's idempotency key came before."""
    desk, now = desk_of(request), request.app.state.clock()
    key = key_of(request)

    def done() -> bytes:
        desk.refresh()
        if key is None:
            return work(desk, None, now)
        return once(desk.needed_state(), key, body, now, lambda at: work(desk, key, at))

    return Response(await threads_of(request).run(done, is_long=is_long), media_type="application/json")


def refuse_repeated_parameters(request: Request) -> None:
    """Refuse a query in which a parameter stands twice: only one of the two would count.

    Raises
    ------
    BadRequestError
        ``bad_request``: names the parameter.
    """
    if len(request.query_params) != len(request.query_params.multi_items()):
        counted = Counter(name for name, _ in request.query_params.multi_items())
        name = counted.most_common(1)[0][0][:60]
        raise BadRequestError(
            f"{name!r} stands twice in the query. Send it once.", field=name, got=counted[name], expected=1
        )


def json_answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def refuse_long(name: str, got: int, most: int) -> None:
    """Refuse more than a setting allows."""
    if got > most:
        raise BadRequestError(
            f"{name} has {got} entries, more than {most}. Split it.", field=name, got=got, expected=f"<= {most}"
        )
