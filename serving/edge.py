"""The outermost edge: who may ask, request ids, security headers, a log line per request, a last resort for defects.

Plain ASGI, because it runs on every request. No log line holds a value from a body: the route's template, a status, a
code.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from ipaddress import ip_address
from secrets import token_hex
from time import perf_counter
from typing import Any, Final

import orjson
from fastapi import Request
from fastapi.routing import APIRoute

from scoring.errors import ContributionsError, FeatureError, ScoringError
from serving.in_time import InTime
from serving.log_lines import log
from serving.meters import Meters
from serving.roles import NoMethodError, refuse_unlisted
from serving.state.database import RETRY_AFTER_SECONDS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OURS: Final = (ContributionsError, FeatureError)
"""Refusals that say something is wrong with us, never with a request."""
DATABASES: Final = ("psycopg", "sqlite3")
"""Drivers: a refusal that one of them caused says that the database does not answer, which passes."""
LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
QUIET_ROUTES: Final = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
LONGEST_SECONDS: Final = 120.0
"""A request is not waited for any longer; the longest lawful one, 10,000 histories, takes well under half of it."""
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class TooLongError(ScoringError):
    """A request that was not answered in time."""

    code = "too_long"
    http_status = 503
    retry_after = 30


class NotLocalError(ScoringError):
    """A caller from another machine, or one that reached this one under another name."""

    code = "not_local"
    http_status = 403


class Edge:
    """Wraps the whole application.

    Parameters
    ----------
    app : ASGI application
    meters : Meters
    direct : mapping of method and path to route
        Routes that read everything from the request themselves: they are asked without the router and its dependencies, which cost as
        much as an answer.
    """

    def __init__(self, app: App, meters: Meters, direct: Mapping[tuple[str, str], APIRoute]) -> None:
        self._app, self._meters, self._direct = app, meters, direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _dressed(message["headers"], request_id)
            await send(message)

        try:
            await self._in_time(scope, headers, receive, send_dressed)
        except ScoringError as error:
            scope["refusal_code"] = error.code
            await _answer(send_dressed, status_of(error), error.as_dict(), retry_headers(error))
        except Exception as error:
            scope["refusal_code"] = "internal_error"
            log("request.failed", request_id=request_id, error=type(error).__name__, places=_places(error))
            if status == 0:
                await _answer(send_dressed, 500, _defect(request_id))
            else:
                raise
        self._count(scope, status, perf_counter() - started, request_id)

    async def _in_time(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        """Let the caller in and answer; refuse what has no answer after `LONGEST_SECONDS`. Who reads slowly is not cut off."""
        with InTime(LONGEST_SECONDS, _too_long) as limit:
            await self._admit(scope, headers)
            route = self._direct.get((scope["method"], scope["path"]))
            if route is None:
                await self._app(scope, receive, _at_leisure(send, limit))
                return
            scope["route"] = route
            response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Let the caller in; without keys, only this machine."""
        admission = scope["app"].state.admission
        if await admission.is_for_this_machine_only(scope["method"], scope["path"]):
            refuse_strangers(scope, headers)
        scope["caller"] = await admission.caller(scope["method"], scope["path"], headers)
        refuse_unlisted(scope["method"], scope["path"])

    def _count(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        code, accounts = scope.get("refusal_code"), scope.get("n_accounts")
        self._meters.answered(scope["method"], route, status, seconds)
        if code:
            self._meters.refusals.labels(code).inc()
        elif accounts:
            self._meters.accounts.labels(route).inc(accounts)
        if route not in QUIET_ROUTES:
            more = {name: value for name, value in (("accounts", accounts), ("code", code)) if value}
            log(
                "request.answered",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1e3, 3),
                request_id=request_id,
                **more,
            )


def _dressed(headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those of every answer, of which it may have its own."""
    own = dict(headers)
    security = [header for header in SECURITY_HEADERS if header[0] not in own]
    return [*headers, *security, (b"x-request-id", request_id.encode())]


def _too_long() -> TooLongError:
    return TooLongError(
        f"There was no answer within {LONGEST_SECONDS:g} seconds; what was asked may still be done. Ask for fewer accounts "
        "at once, or again under the same Idempotency-Key."
    )


def _at_leisure(send: Send, limit: InTime) -> Send:
    """The same without the limit as soon as there is an answer."""

    async def send_at_leisure(message: Message) -> None:
        limit.lift()
        await send(message)

    return send_at_leisure


def refuse_strangers(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Refuse callers from elsewhere: as long as there are no keys, this machine is the only one that may ask.

    The name under which the service was reached is checked too, or a web page could ask through its visitor's browser.

    Raises
    ------
    NotLocalError
        ``not_local``.
    """
    client = scope.get("client")
    if client is not None and not _is_loopback(client[0]):
        raise NotLocalError(
            "This service answers its own machine only, as long as it has no keys. Make one there with `scoring keys make`.",
            field="client",
        )
    host = headers.get(b"host", b"localhost").decode("latin-1").lower()
    if _without_port(host) not in LOCAL_NAMES:
        raise NotLocalError(
            "This service answers to localhost only. Ask it under that name.", field="host", expected="localhost"
        )


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id")
    return given.decode("ascii") if given and _REQUEST_ID.fullmatch(given) else token_hex(16)


def _defect(request_id: str) -> dict[str, Any]:
    message = f"The service failed and answered nothing. Report request id {request_id}; its log line says where."
    return {"code": "internal_error", "message": message, "field": None, "got": None, "expected": None}


def _places(error: BaseException) -> list[str]:
    """Where it happened, innermost last; never the message, which may quote a value."""
    return [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-6:]
    ]


def status_of(error: ScoringError) -> int:
    """The status of a refusal; a defect of ours is no fault of the request.

    >>> status_of(ContributionsError("They do not add up."))
    500
    """
    if isinstance(error.__cause__, Exception) and type(error.__cause__).__module__.partition(".")[0] in DATABASES:
        return 503
    return 500 if isinstance(error, OURS) else error.http_status


def retry_headers(error: ScoringError) -> list[tuple[bytes, bytes]]:
    """When to ask again, where asking again helps; which scheme of keys, where one is missing; which methods a path has."""
    if status_of(error) in (429, 503):
        return [(b"retry-after", str(getattr(error, "retry_after", RETRY_AFTER_SECONDS)).encode())]
    if isinstance(error, NoMethodError):
        return [(b"allow", error.allow.encode())]
    return [(b"www-authenticate", b"Bearer")] if error.http_status == 401 else []


async def _answer(send: Send, status: int, body: dict[str, Any], more: Iterable[tuple[bytes, bytes]] = ()) -> None:
    content = orjson.dumps(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
