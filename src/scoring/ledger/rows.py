"""The table of records as rows: its columns, the statements that touch it, and what a row means.

Everything that reads or writes records goes through here, so a second database needs only these statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

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
    found = list(run("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1", ()))
    return Head(*found[0]) if found else Head(0, GENESIS)


def find_batch(run: Run, batch_id: str) -> StoredBatch | None:
    found = list(run(f"{SELECT} WHERE kind = 'batch' AND batch_id = ?", (batch_id,)))
    return stored_batch(found[0]) if found else None


def stored(row: Row) -> StoredRecord:
    seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at, *rest = row
    day = date.fromisoformat(as_of) if as_of else None
    instant = datetime.fromisoformat(recorded_at).astimezone(UTC)
    return StoredRecord(seq, record_id, kind, account_id, day, batch_id, about, instant, *rest)


def stored_batch(row: Row) -> StoredBatch:
    closing = stored(row)
    body = closing.body
    return StoredBatch(**{**body, "as_of": date.fromisoformat(body["as_of"])}, closing_seq=closing.seq)
