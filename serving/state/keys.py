"""Keys of callers: made and revoked by command, stored hashed, each with a role and an end.

A key is shown once, when it is made: ``<key id>.<secret>``, the secret 256 random bits. What is stored is its SHA-256; with that
much chance in it no slow hash is needed, and a request costs microseconds.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Final

from sqlalchemy import select

from scoring.errors import BadRequestError, ScoringError
from serving.state.database import State, instant, microseconds
from serving.state.tables import KEYS

_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")
ROLES: Final = ("queue", "data_scientist", "compliance", "admin")


class KeyRefusedError(ScoringError):
    """No key, an unknown one, or one that has ended: always the same words, so that nothing is learnt from trying."""

    code = "key_refused"
    http_status = 401


class RoleRefusedError(ScoringError):
    """A valid key whose role may not do this."""

    code = "role_refused"
    http_status = 403


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    key_id : str
        Names the key in logs and records; no secret.
    role : str
        One of `ROLES`.
    caller : str
        The name given when the key was made.
    expires_at : datetime
    """

    key_id: str
    role: str
    caller: str
    expires_at: datetime


def make_key(state: State, *, role: str, caller: str, made_at: datetime, expires_at: datetime) -> str:
    """Make a key and return it; it cannot be read again.

    Raises
    ------
    BadRequestError
        ``bad_request``: an unknown role, no name, or an end that has passed.

    Examples
    --------
    >>> from datetime import UTC
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> state = State(folder.name + "/state.db")
    >>> day, later = datetime(2025, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    >>> key = make_key(state, role="queue", caller="dialler", made_at=day, expires_at=later)
    >>> caller_of(state, key, day).role
    'queue'
    >>> caller_of(state, key, later)
    Traceback (most recent call last):
    ...
    serving.state.keys.KeyRefusedError: This needs a valid key in the header Authorization: Bearer KEY. Ask an administrator for one.
    >>> state.close(); folder.cleanup()
    """
    if role not in ROLES:
        raise BadRequestError(
            f"There is no role {role!r}. Roles: {', '.join(ROLES)}.", field="role", got=role, expected=list(ROLES)
        )
    if not caller.strip():
        raise BadRequestError("A key needs the name of who will use it.", field="caller", got=caller)
    if expires_at <= made_at:
        raise BadRequestError(
            f"The key would end at {expires_at.isoformat()}, before it begins. Give a later end.",
            field="expires_at",
            got=expires_at.isoformat(),
        )
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    with state.writing("keys") as connection:
        connection.execute(
            KEYS.insert().values(
                key_id=key_id,
                secret_sha256=_hashed(secret),
                role=role,
                caller=caller.strip(),
                made_at=microseconds(made_at),
                expires_at=microseconds(expires_at),
            )
        )
    return f"{key_id}.{secret}"


def caller_of(state: State, key: str, at: datetime) -> Caller:
    """Whose key this is, at an instant.

    Raises
    ------
    KeyRefusedError
        ``key_refused``: unknown, revoked or ended; the words do not say which.
    """
    key_id, _, secret = key.partition(".")
    if not _KEY_ID.fullmatch(key_id):
        raise refused()
    with state.reading() as connection:
        row = connection.execute(select(KEYS).where(KEYS.c.key_id == key_id)).first()
    stored = bytes(row.secret_sha256) if row is not None else bytes(32)
    is_right = compare_digest(stored, _hashed(secret))
    if row is None or not is_right or row.revoked_at is not None or microseconds(at) >= row.expires_at:
        raise refused()
    return Caller(row.key_id, row.role, row.caller, instant(row.expires_at))


def revoke_key(state: State, key_id: str, revoked_at: datetime) -> None:
    """End a key at once.

    Raises
    ------
    BadRequestError
        ``bad_request``: no such key, or it was revoked before.
    """
    with state.writing("keys") as connection:
        done = connection.execute(
            KEYS.update()
            .where(KEYS.c.key_id == key_id, KEYS.c.revoked_at.is_(None))
            .values(revoked_at=microseconds(revoked_at))
        )
    if not done.rowcount:
        raise BadRequestError(
            f"There is no key {key_id} that could be revoked. `scoring keys list` shows the keys.",
            field="key_id",
            got=key_id,
        )


def has_keys(state: State) -> bool:
    """Whether any key was ever made, revoked ones too: an open service is never opened again by revoking its keys."""
    with state.reading() as connection:
        return connection.execute(select(KEYS.c.key_id).limit(1)).first() is not None


def list_keys(state: State) -> list[dict[str, str | None]]:
    """Every key without its secret: ``key_id``, ``role``, ``caller``, ``made_at``, ``expires_at``, ``revoked_at``."""
    with state.reading() as connection:
        rows = connection.execute(select(KEYS).order_by(KEYS.c.made_at)).all()
    return [
        {
            "key_id": row.key_id,
            "role": row.role,
            "caller": row.caller,
            "made_at": instant(row.made_at).isoformat(),
            "expires_at": instant(row.expires_at).isoformat(),
            "revoked_at": None if row.revoked_at is None else instant(row.revoked_at).isoformat(),
        }
        for row in rows
    ]


def refused() -> KeyRefusedError:
    """The one refusal for everything that is wrong with a key."""
    return KeyRefusedError(
        "This needs a valid key in the header Authorization: Bearer KEY. Ask an administrator for one.",
        field="authorization",
    )


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
