"""A request that carries an ``Idempotency-Key`` is done once: the same request again gets the same answer.

The key is noted before the work begins, with the instant of the first attempt. Everything the work writes is derived from the request
and that instant, so work that was cut off half way is simply done again under the old instant, and nothing is written twice. Until there
is an answer, its column says since when an attempt is working, in microseconds; 0 says that none is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from sqlalchemy import Update, select

from scoring.errors import BadRequestError, ScoringError
from serving.edge import status_of
from serving.state.database import RETRY_AFTER_SECONDS, State, instant, microseconds
from serving.state.tables import ANSWERED

UNFINISHED: Final = 0
TAKEN_OVER_AFTER: Final = timedelta(seconds=30)
"""From then on an attempt without an answer counts as cut off."""
ENDS_SOON: Final = timedelta(seconds=2)
"""Most attempts last no longer."""
NOBODY: Final = b"0"
"""In the place of an attempt: the last one failed, and the next may begin at once."""
LONGEST_KEY: Final = 128


class KeyReusedError(ScoringError):
    """An idempotency key that came before with another request."""

    code = "key_reused"
    http_status = 409


class StillWorkingError(ScoringError):
    """The same request is being worked on; says after how many seconds to ask again."""

    code = "still_working"
    http_status = 503
    retry_after: int

    @classmethod
    def since(cls, lasted: timedelta) -> StillWorkingError:
        """The refusal of an attempt: one that began just now ends soon; an older one was cut off, unless it ends in time.

        >>> [StillWorkingError.since(timedelta(seconds=lasted)).retry_after for lasted in (0, 1, 5, 29.5)]
        [2, 2, 25, 2]
        """
        left = ceil((TAKEN_OVER_AFTER - lasted).total_seconds())
        after = RETRY_AFTER_SECONDS if lasted < ENDS_SOON else max(left, RETRY_AFTER_SECONDS)
        made = cls(
            f"This request is being worked on. Ask again in {after} seconds.",
            field="idempotency-key",
            expected=f"retry after {after} s",
        )
        made.retry_after = after
        return made


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

    Refusals are not kept: a request that was refused may be tried again under its key. Work that failed is taken over by the next
    attempt at once, work that was cut off after a while; by one attempt alone.

    Raises
    ------
    KeyReusedError
        ``key_reused``: the key came with another body.
    StillWorkingError
        ``still_working``: another worker has not finished it.
    """
    if key is None:
        return work(now)
    digest, attempt = hashlib.sha256(body).digest(), str(microseconds(now)).encode()
    begun = _begin(state, key, digest, now)
    if isinstance(begun, bytes):
        return begun
    try:
        return _kept(state, key, work(begun))
    except ScoringError as error:
        if status_of(error) < 500:
            _forget(state, key, attempt)
        else:
            _leave(state, key, attempt)
        raise
    except Exception:
        _leave(state, key, attempt)
        raise


def _begin(state: State, key: str, digest: bytes, now: datetime) -> datetime | bytes:
    """The instant under which to work, or the answer that is there."""
    attempt = str(microseconds(now)).encode()
    with state.writing(f"answer {key}") as connection:
        found = connection.execute(select(ANSWERED).where(ANSWERED.c.asked_with == key)).first()
        if found is None:
            values = {"asked_with": key, "body_sha256": digest, "status": UNFINISHED, "answer": attempt}
            connection.execute(ANSWERED.insert().values(**values, answered_at=microseconds(now)))
            return now
        if bytes(found.body_sha256) != digest:
            raise KeyReusedError(
                "This Idempotency-Key came before with another request. Use a new key for a new request.",
                field="idempotency-key",
            )
        if found.status != UNFINISHED:
            return bytes(found.answer)
        lasted = now - _working_since(found)
        if lasted < TAKEN_OVER_AFTER:
            raise StillWorkingError.since(lasted)
        connection.execute(_unfinished(key).values(answer=attempt))
        return instant(found.answered_at)


def _working_since(found: Any) -> datetime:
    """When the latest attempt began."""
    return instant(int(bytes(found.answer) or found.answered_at))


def _kept(state: State, key: str, answer: bytes) -> bytes:
    """The answer, kept; where another attempt that took over was faster, its answer."""
    with state.writing(f"answer {key}") as connection:
        if connection.execute(_unfinished(key).values(status=200, answer=answer)).rowcount:
            return answer
        found = connection.execute(select(ANSWERED.c.answer).where(ANSWERED.c.asked_with == key)).scalar_one_or_none()
        return answer if found is None else bytes(found)


def _leave(state: State, key: str, attempt: bytes) -> None:
    """Let the next attempt begin at once; where that cannot be written either, after `TAKEN_OVER_AFTER`."""
    with suppress(ScoringError), state.writing(f"answer {key}") as connection:
        connection.execute(_unfinished(key).where(ANSWERED.c.answer == attempt).values(answer=NOBODY))


def _forget(state: State, key: str, attempt: bytes) -> None:
    with state.writing(f"answer {key}") as connection:
        mine = (ANSWERED.c.asked_with == key, ANSWERED.c.status == UNFINISHED, ANSWERED.c.answer == attempt)
        connection.execute(ANSWERED.delete().where(*mine))


def _unfinished(key: str) -> Update:
    return ANSWERED.update().where(ANSWERED.c.asked_with == key, ANSWERED.c.status == UNFINISHED)
