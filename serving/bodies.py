"""Reading a request's body: within its limit, as JSON, into one of the shapes of `serving.wire`."""

from __future__ import annotations

from typing import Final, TypeVar

from fastapi import Request
from pydantic import ValidationError

from scoring.errors import BadRequestError
from serving import wire
from serving.in_time import InTime
from serving.repeated_keys import refuse_repeated_keys

TOO_MUCH: Final = 8
"""A body of this many times the limit is cut off without reading on."""
LARGE: Final = 1 << 16
"""Bodies from this size on are parsed in a worker thread."""
SLOWEST_SECONDS: Final = 60.0
"""A body that takes longer is not waited for."""
Shape = TypeVar("Shape", bound=wire.Strict)


class TooSlowError(BadRequestError):
    """The body does not come."""

    http_status = 408


async def json_body(request: Request) -> bytes:
    """The bytes of a JSON body.

    Raises
    ------
    BadRequestError
        ``bad_request``: another content type, packed, too large, too slow, or cut off.
    """
    headers = dict(request.scope["headers"])
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise BadRequestError(
            "Send the body as JSON, with the header Content-Type: application/json.",
            field="content-type",
            got=kind[:50].decode("latin-1"),
            expected="application/json",
        )
    packed = headers.get(b"content-encoding", b"identity").strip().lower()
    if packed != b"identity":
        raise BadRequestError(
            "Send the body as it is: a packed one may unpack to any size.",
            field="content-encoding",
            got=packed[:50].decode("latin-1"),
            expected="identity",
        )
    return await _whole(request, request.app.state.most_body_bytes)


async def parsed(request: Request, shape: type[Shape]) -> tuple[Shape, bytes]:
    """A body as one of our shapes, and its bytes."""
    body = await json_body(request)
    try:
        found = shape.model_validate_json(body)
    except ValidationError as error:
        raise wire.refusal(error) from None
    refuse_repeated_keys(body, found.n_keys)
    return found, body


async def _whole(request: Request, most: int) -> bytes:
    """The body. One that is too large is read on for a while and thrown away, so that its sender sees the refusal."""
    size, pieces, is_whole = 0, [], False
    with InTime(SLOWEST_SECONDS, _too_slow):
        while not is_whole and size <= TOO_MUCH * most:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise BadRequestError("The body was cut off before its end. Send it again.", field="body")
            piece = message.get("body", b"")
            size, is_whole = size + len(piece), not message.get("more_body", False)
            if size <= most:
                pieces.append(piece)
    if size > most:
        raise wire.TooLargeError(
            f"The body is larger than {most} bytes. Split the request.", field="body", expected=f"<= {most} bytes"
        )
    return b"".join(pieces)


def _too_slow() -> TooSlowError:
    return TooSlowError(f"The body did not come within {SLOWEST_SECONDS:g} seconds. Send it again.", field="body")
