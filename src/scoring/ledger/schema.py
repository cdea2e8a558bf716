"""The schema of a ledger file: its tables, indexes and guards, and the forward migrations that lead to them.

The file guards itself: triggers refuse UPDATE and DELETE, and an INSERT that would leave a gap, repeat an id or not
link to the last record. They stop programs and honest mistakes; whoever owns the file can drop them, and ``verify``
says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from scoring.errors import LedgerError

APPLICATION_ID: Final = 0x5C04ED6E
"""Marks the file as a ledger of ours (PRAGMA application_id)."""

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


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def refuse_foreign(connection: sqlite3.Connection, *, may_be_empty: bool) -> None:
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


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the file has the newest schema this program knows."""
    return _pragma(connection, "user_version") == len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema forward, one process at a time."""
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
        migrate(connection)
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    finally:
        connection.close()
