"""The table of records as rows: its columns, the statements that touch it, and what a row means.

Everything that reads or writes records goes through here, so a second database needs only these statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

from scoring.errors import LedgerError
from scoring.ledger.chain import GENESIS
from scoring.ledger.database import Row
from scoring.ledger.record import Head, StoredBatch, StoredRecord
from scoring.ledger.tree import leaf_hash

COLUMNS: Final = (
    "seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, prev_hash, hash, body_id"
)
# The statements below hold names written here, and no outside text.
_READ: Final = COLUMNS.removesuffix("_id")
SELECT: Final = f"SELECT {_READ} FROM records JOIN bodies USING (body_id)"  # noqa: S608
INSERT: Final = f"INSERT INTO records ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_HEAD_BEFORE: Final = (
    "SELECT seq, hash, EXISTS (SELECT 1 FROM records WHERE record_id = ?) FROM records ORDER BY seq DESC LIMIT 1"
)

Run = Callable[[str, tuple[Any, ...]], Iterable[Row]]
"""Runs one statement with its values: a connection's ``execute``, or a reader's ``rows``."""


def head_of(run: Run) -> Head:
    """The end of the chain, as this statement sees it."""
    found = list(run("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1", ()))
    return Head(*found[0]) if found else Head(0, GENESIS)


def head_before(run: Run, record_id: str) -> tuple[Head, bool]:
    """The end of the chain, and whether a record of that id stands in it: one question."""
    found = list(run(_HEAD_BEFORE, (record_id,)))
    return (Head(*found[0][:2]), bool(found[0][2])) if found else (Head(0, GENESIS), False)


def find_batch(run: Run, batch_id: str) -> StoredBatch | None:
    """The batch whose closing record names it, or None."""
    found = list(run(f"{SELECT} WHERE kind = 'batch' AND batch_id = ?", (batch_id,)))
    return stored_batch(found[0]) if found else None


def as_stored(body_bytes: str) -> str:
    """The query for all columns as they stand, bodies as bytes or null: an edited row must not stop the reading."""
    columns = COLUMNS.removesuffix("body_id") + body_bytes
    return f"SELECT {columns} FROM records LEFT JOIN bodies USING (body_id)"  # noqa: S608


def stored(row: Row, account_id: str | None = None) -> StoredRecord:
    """A row as a record; ``account_id`` is what its reference stands for.

    >>> hashes = (bytes(32),) * 3
    >>> columns = (1, "D1", "decision", "s-1", "2025-05-01", None, None, "2025-05-02T01:30:00.000000Z")
    >>> row = (*columns, *hashes, '{"rank":2}')
    >>> stored(row).as_of, stored(row).body
    (datetime.date(2025, 5, 1), {'rank': 2})
    """
    seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, prev_hash, own, text = row
    try:
        day = date.fromisoformat(as_of) if as_of else None
        instant = datetime.fromisoformat(recorded_at).astimezone(UTC)
    except (TypeError, ValueError) as problem:
        raise LedgerError(
            f"Record {seq} holds a day or an instant that is none: it was changed after it was written. Run verify.",
            field="seq",
            got=seq,
        ) from problem
    return StoredRecord(
        seq, record_id, kind, account_ref, day, batch_id, about, instant, body_hash, prev_hash, own, text, account_id
    )


def stored_batch(row: Row) -> StoredBatch:
    """A closing record's row as a batch."""
    closing = stored(row)
    body = {"tree_root": "", **closing.body}
    body.pop("records_hash", None)  # of ledgers of schema 1
    return StoredBatch(**{**body, "as_of": date.fromisoformat(body["as_of"])}, closing_seq=closing.seq)


class StoredTree:
    """The tree as the database holds it: leaves from the records' hashes, kept nodes from their own table."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes of the records ``start + 1`` to ``end``."""
        found = self._run("SELECT hash FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", (start + 1, end))
        return [leaf_hash(link) for (link,) in found]

    def node(self, level: int, place: int) -> bytes:
        """A kept node."""
        found = list(self._run("SELECT hash FROM tree_nodes WHERE level = ? AND place = ?", (level, place)))
        if not found:
            raise LedgerError(
                f"Node {place} of level {level} of the ledger's tree is missing. Run verify.",
                field="tree",
                got=[level, place],
            )
        return bytes(found[0][0])
