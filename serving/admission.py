"""Who is let in: a key for every route but the signs of life, its role, and how often it may ask.

Without any key in the store the service answers its own machine only, and says so; as soon as one key was made, every caller needs one.
A caller's key is looked up once in a few seconds, so a revoked key ends within that time in every worker.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import anyio.to_thread

from scoring.errors import ScoringError
from serving.roles import OPEN, refuse_other_roles, route_of
from serving.state.database import State, StateUnavailableError
from serving.state.keys import Caller, caller_of, has_keys, refused

CACHED_SECONDS: Final = 3.0
MOST_CACHED: Final = 1_000
_BEARER: Final = "bearer "


class TooOftenError(ScoringError):
    """A key asks more often than it may."""

    code = "too_often"
    http_status = 429


@dataclass
class _Bucket:
    """Requests a key may still make; refilled as time passes."""

    left: float
    at: float


class Admission:
    """Lets callers in, or refuses them.

    Parameters
    ----------
    state : State or None
        Where the keys are; None lets this machine in without any.
    unread : ScoringError, optional
        Why the state could not be opened, where there may be keys in it: then nobody is let in, but to the signs of life.
    rate : float
        Requests a second that one key may make of this worker; 0 sets no limit. Ten seconds' worth may come at once.

    Examples
    --------
    >>> import anyio
    >>> print(anyio.run(Admission(None).caller, "GET", "/v1/queue", {}))
    None
    """

    def __init__(self, state: State | None, *, unread: ScoringError | None = None, rate: float = 0.0) -> None:
        self.state, self._unread, self._rate = state, unread, rate
        self._callers: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._needs_keys, self._asked_at = False, float("-inf")

    async def needs_keys(self) -> bool:
        """Whether a key was ever made."""
        if self._unread is not None:
            error = self._unread
            raise StateUnavailableError(error.message, field=error.field, got=error.got, expected=error.expected)
        if self.state is None or self._needs_keys:
            return self._needs_keys
        if monotonic() - self._asked_at > CACHED_SECONDS:
            self._needs_keys = await anyio.to_thread.run_sync(has_keys, self.state)
            self._asked_at = monotonic()
        return self._needs_keys

    async def is_for_this_machine_only(self, method: str, path: str) -> bool:
        """Whether strangers are refused: as long as no key is known of. Signs of life do not wait for a database that is away."""
        try:
            return not await self.needs_keys()
        except StateUnavailableError:
            if route_of(method, path) in OPEN:
                return not self._needs_keys
            raise

    async def caller(self, method: str, path: str, headers: dict[bytes, bytes]) -> Caller | None:
        """Who asks; None where nobody needs to say so.

        Raises
        ------
        KeyRefusedError, RoleRefusedError, TooOftenError
            ``key_refused``, ``role_refused``, ``too_often``.
        StateUnavailableError
            The keys cannot be read.
        """
        if route_of(method, path) in OPEN or not await self.needs_keys():
            return None
        found = await self._known(headers.get(b"authorization", b"").decode("latin-1"))
        self._refuse_too_often(found.key_id)
        refuse_other_roles(found, method, path)
        return found

    async def _known(self, header: str) -> Caller:
        if header[: len(_BEARER)].lower() != _BEARER or self.state is None:
            raise refused()
        key = header[len(_BEARER) :].strip()
        name, now = hashlib.sha256(key.encode()).digest(), monotonic()
        cached = self._callers.get(name)
        if cached is not None and now < cached[1] and datetime.now(UTC) < cached[0].expires_at:
            return cached[0]
        found = await anyio.to_thread.run_sync(caller_of, self.state, key, datetime.now(UTC))
        self._callers[name] = (found, now + CACHED_SECONDS)
        if len(self._callers) > MOST_CACHED:
            self._callers.popitem(last=False)
        return found

    def _refuse_too_often(self, key_id: str) -> None:
        if not self._rate:
            return
        now, most = monotonic(), max(10 * self._rate, 1.0)
        bucket = self._buckets.setdefault(key_id, _Bucket(most, now))
        bucket.left, bucket.at = min(most, bucket.left + (now - bucket.at) * self._rate), now
        if bucket.left < 1.0:
            raise TooOftenError(
                f"This key may ask {self._rate:g} times a second. Wait a second, and ask less often.",
                field="authorization",
                expected=f"<= {self._rate:g} requests a second",
            )
        bucket.left -= 1.0
