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
from scoring.ledger.tree import GrowingTree, leaf_hash

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

_VERSION_2: Final = """
DROP TRIGGER records_are_never_updated;
DROP TRIGGER records_are_never_deleted;
DROP TRIGGER records_are_linked;
DROP INDEX records_by_account;
DROP INDEX records_about;
DROP INDEX batch_closings;
ALTER TABLE records RENAME TO records_of_version_1;
CREATE TABLE bodies (
    body_id     INTEGER PRIMARY KEY,
    body        TEXT NOT NULL
) STRICT;
CREATE TABLE records (
    seq         INTEGER PRIMARY KEY,
    record_id   TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    account_ref TEXT,
    as_of       TEXT,
    batch_id    TEXT,
    about       TEXT,
    recorded_at TEXT NOT NULL,
    body_hash   BLOB NOT NULL,
    prev_hash   BLOB NOT NULL,
    hash        BLOB NOT NULL,
    body_id     INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE tree_nodes (
    level       INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    hash        BLOB NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;
INSERT INTO bodies SELECT seq, body FROM records_of_version_1;
INSERT INTO records
    SELECT seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at, body_hash, prev_hash, hash, seq
    FROM records_of_version_1 ORDER BY seq;
DROP TABLE records_of_version_1;
CREATE INDEX records_by_account ON records (account_ref) WHERE account_ref IS NOT NULL;
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
    SELECT RAISE(ABORT, 'append-only: the body must be there, and be no other record''s')
    WHERE NOT EXISTS (SELECT 1 FROM bodies WHERE body_id = NEW.body_id)
        OR EXISTS (SELECT 1 FROM records WHERE body_id = NEW.body_id);
END;
CREATE TRIGGER bodies_are_never_updated BEFORE UPDATE ON bodies
BEGIN SELECT RAISE(ABORT, 'append-only: a body is never changed'); END;
CREATE TRIGGER bodies_are_never_deleted BEFORE DELETE ON bodies
WHEN EXISTS (SELECT 1 FROM records WHERE body_id = OLD.body_id)
BEGIN SELECT RAISE(ABORT, 'append-only: the body of a record is never deleted'); END;
CREATE TRIGGER bodies_are_never_replaced BEFORE INSERT ON bodies
WHEN EXISTS (SELECT 1 FROM bodies WHERE body_id = NEW.body_id)
BEGIN SELECT RAISE(ABORT, 'append-only: body_id is already there'); END;
CREATE TRIGGER tree_nodes_are_never_updated BEFORE UPDATE ON tree_nodes
BEGIN SELECT RAISE(ABORT, 'append-only: a node of the tree is never changed'); END;
CREATE TRIGGER tree_nodes_are_never_deleted BEFORE DELETE ON tree_nodes
BEGIN SELECT RAISE(ABORT, 'append-only: a node of the tree is never deleted'); END;
CREATE TRIGGER tree_nodes_are_never_replaced BEFORE INSERT ON tree_nodes
WHEN EXISTS (SELECT 1 FROM tree_nodes WHERE level = NEW.level AND place = NEW.place)
BEGIN SELECT RAISE(ABORT, 'append-only: the node is already there'); END;
"""
# Bodies stand apart so that a night's bodies can be written before its records are linked, without keeping others waiting,
# and so that walking the chain reads small rows. A body that no record names is not part of the ledger.

MIGRATIONS: Final = (_VERSION_1, _VERSION_2)
"""Scripts that lead from each schema version to the next; a published script is never changed."""


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def refuse_foreign(connection: sqlite3.Connection, *, may_be_empty: bool) -> None:
    """Refuse a database of something else, and a ledger of a later version, or of an earlier one that may not be migrated."""
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
    if version < len(MIGRATIONS) and not may_be_empty:
        raise LedgerError(
            f"The ledger has schema version {version}, and this program reads {len(MIGRATIONS)}. Open it once for writing, which "
            "brings it forward.",
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
        first = _pragma(connection, "user_version")
        for version in range(first, len(MIGRATIONS)):
            for statement in _statements(MIGRATIONS[version]):
                connection.execute(statement)
        if first == 1:
            _grow_tree(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _grow_tree(connection: sqlite3.Connection) -> None:
    """The nodes over records that were written before the tree was kept."""
    tree = GrowingTree()
    for (link,) in connection.execute("SELECT hash FROM records ORDER BY seq").fetchall():
        connection.executemany("INSERT INTO tree_nodes VALUES (?, ?, ?)", tree.add(leaf_hash(link)))


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
