"""Reading a request's body: within its limit, as JSON, into one of the shapes of `serving.wire`."""

from __future__ import annotations

from typing import Final, TypeVar

from fastapi import Request
from pydantic import ValidationError

from scoring.errors import BadRequestError
from serving import wire

TOO_MUCH: Final = 8
"""A body of this many times the limit is cut off without reading on."""
LARGE: Final = 1 << 16
"""Bodies from this size on are parsed in a worker thread."""
Shape = TypeVar("Shape", bound=wire.Strict)


async def json_body(request: Request) -> bytes:
    """The bytes of a JSON body.

    Raises
    ------
    BadRequestError
        ``bad_request``: another content type, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequestError(
            "Send the body as JSON, with the header Content-Type: application/json.",
            field="content-type",
            got=kind[:50],
            expected="application/json",
        )
    return await _whole(request, request.app.state.most_body_bytes)


async def parsed(request: Request, shape: type[Shape]) -> tuple[Shape, bytes]:
    """A body as one of our shapes, and its bytes."""
    body = await json_body(request)
    try:
        return shape.model_validate_json(body), body
    except ValidationError as error:
        raise wire.refusal(error) from None


async def _whole(request: Request, most: int) -> bytes:
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
