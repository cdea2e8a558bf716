"""The ledger's SQLite file: opening, forward migrations, guards, and transactions that several processes may share.

The file guards itself: triggers refuse UPDATE and DELETE, and an INSERT that would leave a gap, repeat an id or not
link to the last record. They stop programs and honest mistakes; whoever owns the file can drop them, and ``verify``
says so.

*Why WAL and synchronous FULL:* readers go on while a night's batch is written, and a commit has reached the disk before
the call returns. A process killed at any point leaves the file as it was before its transaction. WAL needs a local
disk: processes that share the ledger run on one machine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from scoring.errors import LedgerError, MissingToolError, NotReadyError

APPLICATION_ID: Final = 0x5C04ED6E
"""Marks the file as a ledger of ours (PRAGMA application_id)."""

OLDEST_SQLITE: Final = (3, 37)
"""The first with STRICT tables."""

_VERSION_1: Final = """
CREATE TABLE records (
    seq         INTEGER PRIMARY KEY,
    record_id   TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    account_id  TEXT,
    as_of       TEXT,
    batch_id    TEXT,
    about       TEXT,
    recorded_at TEXT NOT NULL,
    body_hash   BLOB NOT NULL,
    prev_hash   BLOB NOT NULL,
    hash        BLOB NOT NULL,
    body        TEXT NOT NULL
) STRICT;
CREATE INDEX records_by_account ON records (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX records_about ON records (about) WHERE about IS NOT NULL;
CREATE UNIQUE INDEX batch_closings ON records (batch_id) WHERE kind = 'batch';
CREATE TRIGGER records_are_never_updated BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'append-only: a correction is a new record about the old one'); END;
CREATE TRIGGER records_are_never_deleted BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'append-only: records are never deleted'); END;
CREATE TRIGGER records_are_linked BEFORE INSERT ON records
BEGIN
    SELECT RAISE(ABORT, 'append-only: seq must follow the last record')
    WHERE NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM records);
    SELECT RAISE(ABORT, 'append-only: prev_hash must be the last record''s hash')
    WHERE NEW.prev_hash IS NOT coalesce((SELECT hash FROM records WHERE seq = NEW.seq - 1), zeroblob(32));
    SELECT RAISE(ABORT, 'append-only: record_id is already there')
    WHERE EXISTS (SELECT 1 FROM records WHERE record_id = NEW.record_id);
END;
"""
# The last guard also stops INSERT OR REPLACE, which would delete the old row without firing the delete trigger.

MIGRATIONS: Final = (_VERSION_1,)
"""Scripts that lead from each schema version to the next; a published script is never changed."""


class SqliteFile:
    """One ledger file: a connection that writes, one that reads what is committed, and fresh ones for long reads."""

    def __init__(self, path: Path, *, read_only: bool, wait_seconds: float) -> None:
        self.path = path
        self._wait_seconds = wait_seconds
        self._write_lock, self._read_lock = Lock(), Lock()
        if read_only and not path.is_file():
            raise LedgerError(
                f"There is no ledger at {path.name}, so nothing can be read. Make a plan first, or name another file.",
                field="path",
                got=path.name,
            )
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise MissingToolError(
                f"SQLite {sqlite3.sqlite_version} is too old for the ledger. Use a Python with a newer one.",
                got=sqlite3.sqlite_version,
                expected=".".join(map(str, OLDEST_SQLITE)),
            )
        with _as_refusals():
            self._writer = None if read_only else self._prepared()
            self._reader = self._connect(read_only=True)
            _refuse_foreign(self._reader, may_be_empty=False)

    def close(self) -> None:
        """Close both connections."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its first statement: all of it is committed, or nothing."""
        if self._writer is None:
            raise LedgerError(
                "The ledger was opened for reading only. Open it for writing to append.", field="read_only"
            )
        with self._write_lock, _as_refusals():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """All rows of a short query over what is committed."""
        with self._read_lock, _as_refusals():
            return self._reader.execute(statement, values).fetchall()

    def stream(self, statement: str, values: tuple[Any, ...] = (), *, lenient: bool = False) -> Iterator[Any]:
        """Rows of a long query, one by one, as of its start; ``lenient`` reads texts that are not UTF-8 as well."""
        with _as_refusals():
            connection = self._connect(read_only=True)
            if lenient:
                connection.text_factory = _any_text
            try:
                yield from connection.execute(statement, values)
            finally:
                connection.close()

    def damage(self) -> list[str]:
        """What SQLite's own integrity check reports; empty when the file is sound."""
        try:
            return [line for (line,) in self.stream("PRAGMA integrity_check") if line != "ok"]
        except LedgerError as problem:
            return [problem.message]

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        return sqlite3.connect(
            address, uri=True, timeout=self._wait_seconds, isolation_level=None, check_same_thread=False
        )

    def _prepared(self) -> sqlite3.Connection:
        """A writing connection on a file whose schema is the newest known."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connect(read_only=False)
        try:
            _refuse_foreign(connection, may_be_empty=True)
            connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")  # takes effect in a new file only
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_KEPT_WAL_BYTES}")
            connection.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


_PAGE_SIZE: Final = 8192
_KEPT_WAL_BYTES: Final = 64 * 2**20
_CACHE_KIB: Final = 32 * 2**10


def _any_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection, *, may_be_empty: bool) -> None:
    """Refuse a database of something else, and a ledger of a later version."""
    version, application = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    is_empty = version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and not (is_empty and may_be_empty):
        raise LedgerError("The file is a database, but not a decision ledger. Name another file.", field="path")
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"The ledger has schema version {version}, and this program knows {len(MIGRATIONS)}. Update the program.",
            field="path",
            got=version,
            expected=len(MIGRATIONS),
        )


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema forward, one process at a time."""
    if _pragma(connection, "user_version") == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(_pragma(connection, "user_version"), len(MIGRATIONS)):
            for statement in _statements(MIGRATIONS[version]):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; triggers hold semicolons, so SQLite itself says where one ends."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def expected_schema() -> dict[str, str]:
    """The name and text of every table, index and trigger that a sound ledger has.

    >>> "records_are_never_deleted" in expected_schema()
    True
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _migrate(connection)
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    finally:
        connection.close()


@contextmanager
def _as_refusals() -> Iterator[None]:
    """SQLite's own errors as refusals that say what to do. Uniqueness stays, for the caller knows which record."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise NotReadyError(
                "Another process is writing to the ledger and did not finish in time. Try again."
            ) from problem
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR):
            raise MissingToolError(
                f"The ledger's disk refused: {problem}. Nothing of this call was recorded. Free space or grant access.",
                field="path",
            ) from problem
        raise LedgerError(
            f"The ledger's file is damaged: {problem}. Stop writing, keep a copy, and restore it from the last backup.",
            field="path",
        ) from problem
