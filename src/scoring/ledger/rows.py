"""The table of records as rows: its columns, the statements that touch it, and what a row means.

Everything that reads or writes records goes through here, so a second database needs only these statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

from scoring.errors import LedgerError
from scoring.ledger.chain import GENESIS
from scoring.ledger.record import Head, StoredBatch, StoredRecord

COLUMNS: Final = (
    "seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at, body_hash, prev_hash, hash, body"
)
SELECT: Final = f"SELECT {COLUMNS} FROM records"  # noqa: S608  (names written above, no outside text)
INSERT: Final = f"INSERT INTO records ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608

Row = tuple[Any, ...]
Run = Callable[[str, tuple[Any, ...]], Iterable[Row]]
"""Runs one statement with its values: a connection's ``execute``, or a reader's ``rows``."""


def head_of(run: Run) -> Head:
    """The end of the chain, as this statement sees it."""
    found = list(run("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1", ()))
    return Head(*found[0]) if found else Head(0, GENESIS)


def find_batch(run: Run, batch_id: str) -> StoredBatch | None:
    """The batch whose closing record names it, or None."""
    found = list(run(f"{SELECT} WHERE kind = 'batch' AND batch_id = ?", (batch_id,)))
    return stored_batch(found[0]) if found else None


def stored(row: Row) -> StoredRecord:
    """A row as a record.

    >>> hashes = (bytes(32),) * 3
    >>> columns = (1, "D1", "decision", "A1", "2025-05-01", None, None, "2025-05-02T01:30:00.000000Z")
    >>> row = (*columns, *hashes, '{"rank":2}')
    >>> stored(row).as_of, stored(row).body
    (datetime.date(2025, 5, 1), {'rank': 2})
    """
    seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at, *rest = row
    try:
        day = date.fromisoformat(as_of) if as_of else None
        instant = datetime.fromisoformat(recorded_at).astimezone(UTC)
    except (TypeError, ValueError) as problem:
        raise LedgerError(
            f"Record {seq} holds a day or an instant that is none: it was changed after it was written. Run verify.",
            field="seq",
            got=seq,
        ) from problem
    return StoredRecord(seq, record_id, kind, account_id, day, batch_id, about, instant, *rest)


def stored_batch(row: Row) -> StoredBatch:
    """A closing record's row as a batch."""
    closing = stored(row)
    body = closing.body
    return StoredBatch(**{**body, "as_of": date.fromisoformat(body["as_of"])}, closing_seq=closing.seq)
