"""The tables of the service's own state, and the versions they went through."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

METADATA: Final = MetaData()

VERSION: Final = Table("state_version", METADATA, Column("version", Integer, primary_key=True))

KEYS: Final = Table(
    "caller_keys",
    METADATA,
    Column("key_id", String(32), primary_key=True),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("role", String(20), nullable=False),
    Column("caller", String(200), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)
"""Callers. The secret is never stored; 256 random bits need no slow hash."""

PERMITS: Final = Table(
    "permits",
    METADATA,
    Column("permit_id", String(36), primary_key=True),
    Column("account_id", String(200), nullable=False),
    Column("customer_id", String(200), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("number_ref", String(200)),
    Column("contact_at", BigInteger, nullable=False),
    Column("granted_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", String(10)),
    Column("asked_with", String(200), unique=True),
    Index("permits_of_customer", "customer_id", "expires_at"),
)
"""Reserved contacts. Instants are microseconds since 1970 in UTC; ``ended_by`` is used or released."""

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_key", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("account_id", String(200), nullable=False),
    Column("customer_id", String(200), nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("events_of_customer", "customer_id", "seq"),
)
"""What was told during the day: contacts, payments, promises, standings, consents; each once, by its key."""

ANSWERED: Final = Table(
    "answered_requests",
    METADATA,
    Column("asked_with", String(300), primary_key=True),
    Column("body_sha256", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("answered_at", BigInteger, nullable=False),
)
"""Answers of requests that carried an idempotency key: the same request again gets the same answer."""

REDECISIONS: Final = Table(
    "redecisions",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("account_id", String(200), nullable=False),
    Column("plan_run_id", String(64), nullable=False),
    Column("event_seq", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("redecisions_of_plan", "plan_run_id", "seq"),
)
"""What was decided after an event, under which plan; the latest of an account holds."""

NEWS: Final = Table(
    "state_news",
    METADATA,
    Column("of", String(10), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""A number that rises with every change of the day, in the same transaction; kept on PostgreSQL only, see `serving.state.news`."""

PERMITS_BY_EXPIRY: Final = Index("permits_by_expiry", PERMITS.c.expires_at)
"""The few permits that have not expired are found among all that ever were."""

MIGRATIONS: Final[tuple[tuple[Table | Index, ...], ...]] = (
    (KEYS, PERMITS, EVENTS, ANSWERED),
    (REDECISIONS,),
    (NEWS, PERMITS_BY_EXPIRY),
)
"""Tables and indexes that came with each version, from version 1 on; another change of a table is a statement of its own here."""
