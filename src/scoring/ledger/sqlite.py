"""The ledger's SQLite file: opening it, and transactions that several processes may share.

*Why WAL and synchronous FULL:* readers go on while a night's batch is written, and a commit has reached the disk before
the call returns. A process killed at any point leaves the file as it was before its transaction. WAL needs a local
disk: processes that share the ledger run on one machine.

*Why a lock file beside it:* SQLite before 3.51.3 can damage a file in WAL mode when one connection commits while
another copies the log into the file (the WAL-reset bug). A writer therefore holds the lock from before its transaction
until after its commit, which is where that copying happens. The lock is freed when its process ends, however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from scoring.errors import LedgerError, MissingToolError, NotReadyError
from scoring.ledger.database import RefusedByDatabase, Row
from scoring.ledger.rows import INSERT
from scoring.ledger.schema import expected_schema, is_current, migrate, refuse_foreign
from scoring.ledger.tree import Node

OLDEST_SQLITE: Final = (3, 37)
"""The first with STRICT tables."""

_KEPT_WAL_BYTES: Final = 64 * 2**20


class SqliteFile:
    """One ledger file: a connection that writes, one that reads what is committed, and fresh ones for long reads."""

    def __init__(self, path: Path, *, read_only: bool, wait_seconds: float) -> None:
        self.path, self.read_only, self.place = path, read_only, str(path)
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
        self._open = ExitStack()
        with _as_refusals(), ExitStack() as opening:
            if not read_only:
                _make_folder(path.parent)
                self._lock = opening.enter_context(closing(self._connect(f"{path.name}-lock", "rwc")))
                self._writer = opening.enter_context(closing(self._connect(path.name, "rwc")))
                self._prepare(self._writer)
            self._reader = opening.enter_context(closing(self._connect(path.name, "ro")))
            refuse_foreign(self._reader, may_be_empty=False)
            self._open = opening.pop_all()

    @property
    def body_bytes(self) -> str:
        """SQL for a body's bytes, whatever they are."""
        return "CAST(body AS BLOB)"

    def close(self) -> None:
        """Close all connections."""
        self._open.close()

    @contextmanager
    def staging(self) -> Iterator[SqliteStaging]:
        """Begin to write: bodies in short transactions of their own, taken out again if they are not linked."""
        stage = SqliteStaging(self)
        try:
            yield stage
        finally:
            stage.take_out()

    @contextmanager
    def writing(self) -> Iterator[SqliteLinking]:
        """One transaction that holds the write lock from its first statement: all of it is committed, or nothing."""
        if self.read_only:
            raise LedgerError(
                "The ledger was opened for reading only. Open it for writing to append.", field="read_only"
            )
        with self._write_lock, _as_refusals(), self._alone():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteLinking(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock file, a database that stays empty: its lock waits, and ends with the process."""
        self._lock.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            self._lock.execute("ROLLBACK")

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a short query over what is committed."""
        with self._read_lock, _as_refusals():
            return self._reader.execute(statement, values).fetchall()

    def stream(self, statement: str, values: tuple[Any, ...] = (), *, lenient: bool = False) -> Iterator[Row]:
        """Rows of a long query, one by one, as of its start; ``lenient`` reads texts that are not UTF-8 as well."""
        with _as_refusals():
            connection = self._connect(self.path.name, "ro")
            if lenient:
                connection.text_factory = _any_text
            try:
                yield from connection.execute(statement, values)
            finally:
                connection.close()

    def guards(self) -> dict[str, str]:
        """The text of every table, index and trigger in the file; statistics that ANALYZE leaves are none."""
        statement = "SELECT CAST(name AS TEXT), sql FROM sqlite_master WHERE sql IS NOT NULL"
        found: dict[str, str] = dict(self.stream(statement, lenient=True))
        return {name: text for name, text in found.items() if not name.startswith("sqlite_")}

    def expected_guards(self) -> dict[str, str]:
        """The same of a sound ledger."""
        return expected_schema()

    def damage(self) -> list[str]:
        """What SQLite's own integrity check reports; empty when the file is sound."""
        try:
            return [line for (line,) in self.stream("PRAGMA integrity_check") if line != "ok"]
        except LedgerError as problem:
            return [problem.message]

    def _connect(self, name: str, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().with_name(name).as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, uri=True, timeout=self._wait_seconds, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring the file to the newest schema, and the connection to durable commits."""
        refuse_foreign(connection, may_be_empty=True)
        if not is_current(connection):
            with self._alone():
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_KEPT_WAL_BYTES}")


class SqliteStaging:
    """Bodies on their way in, a short transaction for each block."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._kept: list[int] = []

    def keep(self, bodies: Sequence[str]) -> list[int]:
        """Add bodies and give their ids."""
        with self._file.writing() as connection:
            ids = connection.keep(bodies)
        self._kept += ids
        return ids

    @contextmanager
    def linking(self) -> Iterator[SqliteLinking]:
        """The transaction that links."""
        with self._file.writing() as connection:
            yield connection
        if connection.has_linked:
            self._kept.clear()

    def take_out(self) -> None:
        """Delete what was kept and not linked."""
        if self._kept:
            with self._file.writing() as connection:
                connection.take_out(self._kept)


class SqliteLinking:
    """One transaction on the writing connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.has_linked = False

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a query, as this transaction sees them."""
        return self._connection.execute(statement, values).fetchall()

    def link(self, rows: Sequence[Row]) -> None:
        """Add records."""
        try:
            self._connection.executemany(INSERT, rows)
            self.has_linked = True
        except sqlite3.IntegrityError as problem:
            raise RefusedByDatabase(str(problem)) from problem

    def link_alone(self, row: Row, body: str) -> None:
        """Add one record and its body."""
        self.link([(*row, *self.keep([body]))])

    def keep(self, bodies: Sequence[str]) -> list[int]:
        """Add bodies and give their ids."""
        ((last,),) = self.execute("SELECT coalesce(max(body_id), 0) FROM bodies")
        ids = list(range(last + 1, last + 1 + len(bodies)))
        self._connection.executemany("INSERT INTO bodies VALUES (?, ?)", zip(ids, bodies, strict=True))
        return ids

    def keep_nodes(self, nodes: Sequence[Node]) -> None:
        """Add complete nodes of the tree."""
        self._connection.executemany("INSERT INTO tree_nodes VALUES (?, ?, ?)", nodes)

    def take_out(self, body_ids: Sequence[int]) -> None:
        """Delete bodies that no record names."""
        self._connection.executemany(
            "DELETE FROM bodies WHERE body_id = ? AND NOT EXISTS (SELECT 1 FROM records r WHERE r.body_id = bodies.body_id)",
            [(body_id,) for body_id in body_ids],
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise MissingToolError(
            f"The ledger's folder {folder.name} cannot be made: {problem.strerror}. Grant access, or name another.",
            field="path",
            got=folder.name,
        ) from problem


def _any_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


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
