"""The ledger in PostgreSQL: one writer at a time, bodies loaded by COPY, the schema brought forward.

Writers in several processes and on several machines take turns by an advisory lock that ends with their transaction, however it ends.
Bodies are copied in the same transaction before the lock is taken: what a killed process had copied is rolled back by the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from scoring.errors import LedgerError
from scoring.ledger.database import Row
from scoring.ledger.postgres_connection import as_refusals, connected, is_idle, live, refused_rows, roll_back, working
from scoring.ledger.postgres_schema import FOUND_GUARDS, MIGRATIONS, SCHEMA, WRITER, expected_guards
from scoring.ledger.rows import COLUMNS
from scoring.ledger.tree import Node

if TYPE_CHECKING:
    import psycopg

TURN: Final = 0x5C04ED6E
"""The advisory lock that writers take turns by."""

_FETCHED_AT_ONCE: Final = 2_000
_cursor_numbers = count()


class PostgresLedger:
    """A ledger in a database: a connection that writes, one that reads, and fresh ones for long reads."""

    def __init__(self, place: str, *, read_only: bool, wait_seconds: float) -> None:
        self.place, self.read_only = place, read_only
        self._wait_seconds = wait_seconds
        self._write_lock, self._read_lock = Lock(), Lock()
        self._writer: psycopg.Connection[Row] | None = None
        self._reader: psycopg.Connection[Row] | None = None
        with as_refusals(), connected(place) as connection:
            if not read_only:
                migrate(connection)
            refuse_unless_current(connection)

    @property
    def body_bytes(self) -> str:
        """SQL for a body's bytes."""
        return "convert_to(body, 'UTF8')"

    def close(self) -> None:
        """Close all connections."""
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()

    @contextmanager
    def staging(self) -> Iterator[PostgresStaging]:
        """Begin to write: one transaction for bodies and records."""
        with self._write_lock, as_refusals():
            self._writer = live(self._writer, self.place)
            try:
                yield PostgresStaging(self._writer, self._wait_seconds)
            finally:
                roll_back(self._writer)  # nothing to do after a commit

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a short query over what is committed."""
        with self._read_lock, as_refusals():
            self._reader = live(self._reader, self.place)
            return self._reader.execute(_in_dialect(statement), values).fetchall()

    def stream(self, statement: str, values: tuple[Any, ...] = (), *, lenient: bool = False) -> Iterator[Row]:
        """Rows of a long query, one by one, as of its start; text in PostgreSQL is always text."""
        with as_refusals():
            connection = working(self.place)
            try:
                with connection.cursor(f"reading_{next(_cursor_numbers)}") as cursor:
                    cursor.itersize = _FETCHED_AT_ONCE
                    cursor.execute(_in_dialect(statement), values)
                    yield from cursor
            finally:
                connection.close()

    def guards(self) -> dict[str, str]:
        """Triggers, functions, indexes, rules and rights that are there."""
        return dict(self.rows(FOUND_GUARDS))

    def expected_guards(self) -> dict[str, str]:
        """The same of a sound ledger."""
        return expected_guards()

    def damage(self) -> list[str]:
        """PostgreSQL checks its pages itself when they are read (data checksums); nothing more is asked here."""
        return []


class PostgresStaging:
    """Bodies copied in a transaction that has not taken its turn yet."""

    def __init__(self, connection: psycopg.Connection[Row], wait_seconds: float) -> None:
        self._connection, self._wait_seconds = connection, wait_seconds

    def keep(self, bodies: Sequence[str]) -> list[int]:
        """Copy bodies and give their ids."""
        if is_idle(self._connection):
            self._connection.execute("BEGIN")
        return _copy_bodies(self._connection, bodies)

    @contextmanager
    def linking(self) -> Iterator[PostgresLinking]:
        """The rest of the transaction, in turn with other writers."""
        milliseconds = max(1, round(self._wait_seconds * 1000))
        begin = "BEGIN; " if is_idle(self._connection) else ""
        turn = f"{begin}SET LOCAL lock_timeout = {milliseconds}; SELECT pg_advisory_xact_lock({TURN})"
        self._connection.execute(turn.encode())  # one message
        yield PostgresLinking(self._connection)
        self._connection.commit()


class PostgresLinking:
    """One transaction that has its turn."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a query, as this transaction sees them."""
        return self._connection.execute(_in_dialect(statement), values).fetchall()

    def link(self, rows: Sequence[Row]) -> None:
        """Add records."""
        with refused_rows():
            _copy(self._connection, f"{SCHEMA}.records ({COLUMNS})", _RECORD_TYPES, rows)

    def link_alone(self, row: Row, body: str) -> None:
        """Add one record and its body in one statement: the server is asked once."""
        with refused_rows():
            self._connection.execute(_INSERT_ALONE, (body, *row))

    def keep_nodes(self, nodes: Sequence[Node]) -> None:
        """Add complete nodes of the tree."""
        if nodes:
            _copy(self._connection, f"{SCHEMA}.tree_nodes (level, place, hash)", ("int4", "int8", "bytea"), nodes)


_INSERT_ALONE: Final = (
    f"WITH kept AS (INSERT INTO {SCHEMA}.bodies (body_id, body) VALUES (nextval('body_ids'), %s) RETURNING body_id) "  # noqa: S608
    f"INSERT INTO {SCHEMA}.records ({COLUMNS}) SELECT {'%s, ' * COLUMNS.count(',')} body_id FROM kept"
)
_RECORD_TYPES: Final = ("int8", *("text",) * 7, *("bytea",) * 3, "int8")


def _copy_bodies(connection: psycopg.Connection[Row], bodies: Sequence[str]) -> list[int]:
    found = connection.execute("SELECT nextval('body_ids') FROM generate_series(1, %s)", (len(bodies),))
    ids = [int(body_id) for (body_id,) in found.fetchall()]
    _copy(connection, f"{SCHEMA}.bodies (body_id, body)", ("int8", "text"), list(zip(ids, bodies, strict=True)))
    return ids


def _copy(connection: psycopg.Connection[Row], into: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _in_dialect(statement: str) -> str:
    return statement.replace("?", "%s")


def version_of(connection: psycopg.Connection[Row]) -> int:
    """The schema version; 0 where there is no ledger."""
    if connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.schema_version",)).fetchone() == (None,):
        return 0
    found = connection.execute("SELECT coalesce(max(version), 0) FROM scoring_ledger.schema_version").fetchone()
    return int(found[0]) if found else 0


def refuse_unless_current(connection: psycopg.Connection[Row]) -> None:
    """Refuse a database without a ledger, and a ledger of another version."""
    version = version_of(connection)
    if version == 0:
        raise LedgerError(
            "There is no ledger in this database, so nothing can be read. Make a plan first, or name another.",
            field="ledger",
        )
    if version != len(MIGRATIONS):
        advice = (
            "Update the program." if version > len(MIGRATIONS) else "Open it once for writing, which brings it forward."
        )
        raise LedgerError(
            f"The ledger has schema version {version}, and this program knows {len(MIGRATIONS)}. {advice}",
            field="ledger",
            got=version,
            expected=len(MIGRATIONS),
        )


def migrate(connection: psycopg.Connection[Row]) -> None:
    """Bring the schema forward, one process at a time; nothing is done, and no right is needed, where it is current."""
    if version_of(connection) >= len(MIGRATIONS):
        connection.rollback()
        return
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (TURN + 1,))
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (WRITER,)).fetchone():
        connection.execute(f"CREATE ROLE {WRITER} NOLOGIN")
    for version in range(version_of(connection), len(MIGRATIONS)):
        for statement in MIGRATIONS[version]:
            connection.execute(statement.encode())
        connection.execute("INSERT INTO scoring_ledger.schema_version (version) VALUES (%s)", (version + 1,))
    connection.commit()
