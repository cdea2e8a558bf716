"""The ledger in PostgreSQL: connections, one writer at a time, bodies loaded by COPY.

Writers in several processes and on several machines take turns by an advisory lock that ends with their transaction, however it ends.
Bodies are copied in the same transaction before the lock is taken: what a killed process had copied is rolled back by the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from select import POLLIN, poll
from threading import Lock
from typing import Any, Final

from scoring.errors import LedgerError, MissingToolError, NotReadyError
from scoring.ledger.database import RefusedByDatabase, Row
from scoring.ledger.postgres_schema import FOUND_GUARDS, MIGRATIONS, SCHEMA, WRITER, expected_guards
from scoring.ledger.rows import COLUMNS
from scoring.ledger.tree import Node

try:
    import psycopg
    from psycopg import errors
    from psycopg.conninfo import conninfo_to_dict
except ImportError as missing:  # the driver is an extra
    raise MissingToolError(
        "The PostgreSQL driver is not installed. Install the project with its extra `postgres`.", field="ledger"
    ) from missing

TURN: Final = 0x5C04ED6E
"""The advisory lock that writers take turns by."""

LONGEST_WAIT_SECONDS: Final = 20
"""Nobody waits longer for another's lock; a batch says itself how long it waits for its turn."""
LONGEST_PAUSE_SECONDS: Final = 600
"""A transaction in which nothing happens for so long is ended by the server. Between two blocks of a batch, Python prepares the next."""
CONNECTING: Final = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that is gone without a word is noticed within half a minute."""

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
                with suppress(psycopg.OperationalError):
                    self._writer.rollback()  # nothing to do after a commit

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
        if self._is_idle():
            self._connection.execute("BEGIN")
        return _copy_bodies(self._connection, bodies)

    @contextmanager
    def linking(self) -> Iterator[PostgresLinking]:
        """The rest of the transaction, in turn with other writers."""
        milliseconds = max(1, round(self._wait_seconds * 1000))
        begin = "BEGIN; " if self._is_idle() else ""
        turn = f"{begin}SET LOCAL lock_timeout = {milliseconds}; SELECT pg_advisory_xact_lock({TURN})"
        self._connection.execute(turn.encode())  # one message
        yield PostgresLinking(self._connection)
        self._connection.commit()

    def _is_idle(self) -> bool:
        return self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


class PostgresLinking:
    """One transaction that has its turn."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a query, as this transaction sees them."""
        return self._connection.execute(_in_dialect(statement), values).fetchall()

    def link(self, rows: Sequence[Row]) -> None:
        """Add records."""
        with _refused_rows():
            _copy(self._connection, f"{SCHEMA}.records ({COLUMNS})", _RECORD_TYPES, rows)

    def link_alone(self, row: Row, body: str) -> None:
        """Add one record and its body in one statement: the server is asked once."""
        with _refused_rows():
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


@contextmanager
def _refused_rows() -> Iterator[None]:
    """The guards' own errors as `RefusedByDatabase`."""
    try:
        yield
    except (errors.UniqueViolation, errors.RaiseException, errors.CheckViolation) as problem:
        raise RefusedByDatabase(problem.diag.message_primary or "") from problem


def _in_dialect(statement: str) -> str:
    return statement.replace("?", "%s")


@contextmanager
def connected(place: str) -> Iterator[psycopg.Connection[Row]]:
    """A connection as the user named in the address, closed afterwards."""
    connection = _connection(place)
    try:
        yield connection
    finally:
        connection.close()


def working(place: str) -> psycopg.Connection[Row]:
    """A connection under the role that may insert and read, and nothing else."""
    connection = _connection(place)
    try:
        connection.execute(f"SET ROLE {WRITER}")
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute("SET synchronous_commit TO on")
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def live(connection: psycopg.Connection[Row] | None, place: str) -> psycopg.Connection[Row]:
    """The connection, or a fresh one where the server closed it."""
    if connection is not None:
        if not connection.closed and not connection.broken and _is_quiet(connection):
            return connection
        connection.close()
    fresh = working(place)
    fresh.autocommit = True  # a read is one message; who writes says BEGIN with the first one
    return fresh


def _is_quiet(connection: psycopg.Connection[Row]) -> bool:
    """Whether there is nothing to read where nothing was asked; the server's farewell, or its end, would be. The server is not asked."""
    waiting = poll()
    waiting.register(connection.fileno(), POLLIN)
    return not waiting.poll(0)


def connecting(place: str, pause_seconds: int = LONGEST_PAUSE_SECONDS) -> dict[str, Any]:
    """How a database is connected to, so that nobody waits for it without an end; what the address says itself goes first.

    Parameters
    ----------
    place : str
        The database's address.
    pause_seconds : int
        How long a transaction may do nothing.

    Examples
    --------
    >>> connecting("postgresql://h/d?connect_timeout=9&options=-c%20lock_timeout%3D1s", 30)["options"]
    '-c lock_timeout=20s -c idle_in_transaction_session_timeout=30s -c lock_timeout=1s'
    >>> "connect_timeout" in connecting("postgresql://h/d?connect_timeout=9")
    False
    """
    said = conninfo_to_dict(place)
    ours = f"-c lock_timeout={LONGEST_WAIT_SECONDS}s -c idle_in_transaction_session_timeout={pause_seconds}s"
    options = f"{ours} {said.get('options') or ''}".strip()
    return {name: value for name, value in CONNECTING.items() if name not in said} | {"options": options}


def _connection(place: str) -> psycopg.Connection[Row]:
    return psycopg.connect(place, application_name="scoring-ledger", **connecting(place))


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


@contextmanager
def as_refusals() -> Iterator[None]:
    """The server's errors as refusals that say what to do; none holds a value or a password."""
    try:
        yield
    except (
        errors.LockNotAvailable,
        errors.QueryCanceled,
        errors.DeadlockDetected,
        errors.SerializationFailure,
    ) as problem:
        raise NotReadyError(
            "Another process is writing to the ledger and did not finish in time. Try again."
        ) from problem
    except errors.InsufficientPrivilege as problem:
        raise MissingToolError(
            f"The database user may not do this: {problem.diag.message_primary}. Let the owner open the ledger once, and grant "
            f"{WRITER} to the user.",
            field="ledger",
        ) from problem
    except (errors.DiskFull, errors.OutOfMemory) as problem:
        raise MissingToolError(
            f"The database refused: {problem.diag.message_primary}. Nothing of this call was recorded.", field="ledger"
        ) from problem
    except (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout) as problem:
        raise NotReadyError(
            "The ledger's database cannot be reached, or closed the connection. What was not acknowledged was not recorded. Try "
            "again.",
            field="ledger",
        ) from problem
    except psycopg.Error as problem:
        raise LedgerError(
            f"The ledger's database refused ({type(problem).__name__}): {problem.diag.message_primary}. Run verify.",
            field="ledger",
        ) from problem
