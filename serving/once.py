"""A request that carries an ``Idempotency-Key`` is done once: the same request again gets the same answer.

The key is noted before the work begins, with the instant of the first attempt. Everything the work writes is derived from the request
and that instant, so work that was cut off half way is simply done again under the old instant, and nothing is written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from scoring.errors import BadRequestError, ScoringError
from serving.state.database import State, instant, microseconds
from serving.state.tables import ANSWERED

UNFINISHED: Final = 0
TAKEN_OVER_AFTER: Final = timedelta(seconds=30)
"""From then on an attempt without an answer counts as cut off."""
LONGEST_KEY: Final = 128


class KeyReusedError(ScoringError):
    """An idempotency key that came before with another request."""

    code = "key_reused"
    http_status = 409


class StillWorkingError(ScoringError):
    """The same request is being worked on."""

    code = "still_working"
    http_status = 503


def asked_with(header: str | None, caller: str, route: str) -> str | None:
    """The key as it is kept: per caller and route; None where the request has none.

    >>> asked_with("order-7", "0123456789abcdef", "/v1/permits")
    '0123456789abcdef /v1/permits order-7'
    >>> asked_with("", "0123456789abcdef", "/v1/permits")
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: An Idempotency-Key is 1 to 128 printable characters. Use a new UUID for every new request.
    """
    if header is None:
        return None
    if not 0 < len(header) <= LONGEST_KEY or not header.isascii() or not header.isprintable():
        raise BadRequestError(
            f"An Idempotency-Key is 1 to {LONGEST_KEY} printable characters. Use a new UUID for every new request.",
            field="idempotency-key",
        )
    return f"{caller} {route} {header}"


def once(state: State, key: str | None, body: bytes, now: datetime, work: Callable[[datetime], bytes]) -> bytes:
    """The answer of ``work``, called with the instant of the first attempt; or the answer it gave before.

    Refusals are not kept: a request that was refused may be tried again under its key.

    Raises
    ------
    KeyReusedError
        ``key_reused``: the key came with another body.
    StillWorkingError
        ``still_working``: another worker has not finished it.
    """
    if key is None:
        return work(now)
    digest = hashlib.sha256(body).digest()
    begun = _begin(state, key, digest, now)
    if isinstance(begun, bytes):
        return begun
    try:
        answer = work(begun)
    except ScoringError as error:
        if error.http_status < 500:
            _forget(state, key)
        raise
    with state.writing(f"answer {key}") as connection:
        connection.execute(ANSWERED.update().where(ANSWERED.c.asked_with == key).values(status=200, answer=answer))
    return answer


def _begin(state: State, key: str, digest: bytes, now: datetime) -> datetime | bytes:
    """The instant under which to work, or the answer that is there."""
    with state.writing(f"answer {key}") as connection:
        found = connection.execute(select(ANSWERED).where(ANSWERED.c.asked_with == key)).first()
        if found is None:
            values = {"asked_with": key, "body_sha256": digest, "status": UNFINISHED, "answer": b""}
            connection.execute(ANSWERED.insert().values(**values, answered_at=microseconds(now)))
            return now
    if bytes(found.body_sha256) != digest:
        raise KeyReusedError(
            "This Idempotency-Key came before with another request. Use a new key for a new request.",
            field="idempotency-key",
        )
    if found.status != UNFINISHED:
        return bytes(found.answer)
    first = instant(found.answered_at)
    if now - first < TAKEN_OVER_AFTER:
        raise StillWorkingError("This request is being worked on. Ask again in a few seconds.", field="idempotency-key")
    return first


def _forget(state: State, key: str) -> None:
    with state.writing(f"answer {key}") as connection:
        connection.execute(ANSWERED.delete().where(ANSWERED.c.asked_with == key, ANSWERED.c.status == UNFINISHED))
