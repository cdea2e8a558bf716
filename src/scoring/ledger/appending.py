"""Appending inside one transaction: a record, or a whole batch block by block.

The head of the chain is read inside the transaction that extends it, so writers in several processes leave one chain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import orjson
import pyarrow as pa

from scoring.errors import LedgerConflictError, LedgerError, UnknownDecisionError
from scoring.ledger.chain import envelope, link
from scoring.ledger.record import BATCH_KIND, Batch, Head, Record, StoredBatch, StoredRecord
from scoring.ledger.rows import INSERT, SELECT, Row, head_of, stored, stored_batch

BLOCK_COLUMNS: Final = ("record_id", "account_id", "body")
"""The text columns of a block: ids, and the canonical JSON of each record."""


def append_record(connection: sqlite3.Connection, record: Record, body: bytes, instant: str) -> StoredRecord:
    """One record at the end of the chain, or the one that is there with the same content."""
    as_of = record.as_of.isoformat() if record.as_of else None
    row = (record.record_id, record.kind, record.account_id, as_of, None, record.about)
    body_hash = sha256(body).digest()
    found = connection.execute(f"{SELECT} WHERE record_id = ?", (record.record_id,)).fetchone()
    if found is not None:
        if found[1:7] != row or found[8] != body_hash:
            raise _conflict(record.record_id)
        return stored(found)
    head = head_of(connection.execute)
    if record.about is not None and not _is_there(connection, record.about, head.seq):
        raise UnknownDecisionError(
            f"Record {record.record_id} is about {record.about}, which is not in the ledger. Record that first.",
            field="about",
            got=record.about,
        )
    columns = envelope(head.seq + 1, *row, instant)
    linked = (head.seq + 1, *row, instant, body_hash, head.hash, link(head.hash, body_hash, columns), body.decode())
    _insert(connection, [linked])
    return stored(linked)


def append_batch(connection: sqlite3.Connection, batch: Batch, blocks: Iterable[pa.Table], instant: str) -> StoredBatch:
    """All records of a batch at the end of the chain, then the record that closes it."""
    head = start = head_of(connection.execute)
    digest = sha256()
    for block in blocks:
        rows = _linked_rows(batch, _columns_of(block), head, instant)
        _insert(connection, rows)
        digest.update(b"".join(batch_member(row[1], row[3], row[8]) for row in rows))
        head = Head(rows[-1][0], rows[-1][10]) if rows else head
    closing = Record(
        f"batch:{batch.batch_id}",
        BATCH_KIND,
        {
            "batch_id": batch.batch_id,
            "kind": batch.kind,
            "as_of": batch.as_of.isoformat(),
            "n_records": head.seq - start.seq,
            "first_seq": start.seq + 1 if head.seq > start.seq else None,
            "last_seq": head.seq if head.seq > start.seq else None,
            "records_hash": digest.hexdigest(),
            "meta": dict(batch.meta),
        },
    )
    rows = _linked_rows(
        batch, ([closing.record_id], [None], [closing.body_bytes().decode()]), head, instant, BATCH_KIND
    )
    _insert(connection, rows)
    return stored_batch(rows[0])


def _linked_rows(
    batch: Batch, columns: tuple[list[Any], list[Any], list[Any]], head: Head, instant: str, kind: str | None = None
) -> list[Row]:
    """Rows ready to insert. A chain is sequential by nature: this is the one loop over records, 4 us each."""
    seq, previous = head.seq, head.hash
    kind, as_of, batch_id = kind or batch.kind, batch.as_of.isoformat(), batch.batch_id
    rows = []
    for record_id, account_id, text in zip(*columns, strict=True):
        seq += 1
        body_hash = sha256(text.encode()).digest()
        linked = link(previous, body_hash, envelope(seq, record_id, kind, account_id, as_of, batch_id, None, instant))
        rows.append(
            (seq, record_id, kind, account_id, as_of, batch_id, None, instant, body_hash, previous, linked, text)
        )
        previous = linked
    return rows


def unchanged(written: StoredBatch, batch: Batch, blocks: Iterable[pa.Table]) -> StoredBatch:
    """The batch as written, provided that the same records were given again."""
    digest = sha256()
    for block in blocks:
        digest.update(
            b"".join(
                batch_member(r, a, sha256(text.encode()).digest())
                for r, a, text in zip(*_columns_of(block), strict=True)
            )
        )
    seen = (batch.kind, batch.as_of, digest.hexdigest())
    if seen != (written.kind, written.as_of, written.records_hash):
        raise LedgerConflictError(
            f"Batch {batch.batch_id} is already in the ledger with {written.n_records} records of kind {written.kind} "
            f"as of {written.as_of}, and the records given now differ. A written batch is never changed: use another "
            "batch id, or find out what changed in the inputs.",
            field="batch_id",
            got=digest.hexdigest(),
            expected=written.records_hash,
        )
    return StoredBatch(**{**vars(written), "already_there": True})


def batch_member(record_id: str, account_id: str, body_hash: bytes) -> bytes:
    """One record's share of a batch's digest: what it is called, whom it is about, and its body."""
    return orjson.dumps((record_id, account_id)) + body_hash


def _columns_of(block: pa.Table) -> tuple[list[Any], list[Any], list[Any]]:
    missing = [name for name in BLOCK_COLUMNS if name not in block.column_names]
    if missing:
        raise LedgerError(
            f"A block lacks the columns {missing}.", field="blocks", got=missing, expected=list(BLOCK_COLUMNS)
        )
    for name in BLOCK_COLUMNS:
        if block[name].null_count or not pa.types.is_string(block[name].type):
            raise LedgerError(
                f"Column {name} of a block is {block[name].type} with {block[name].null_count} nulls; every record of "
                "a batch has an id, an account and a body, as text.",
                field=name,
                got=str(block[name].type),
                expected="string without nulls",
            )
    ids, accounts, bodies = (block[name].to_pylist() for name in BLOCK_COLUMNS)
    return ids, accounts, bodies


def refuse_bad_name(name: str, kind: str) -> None:
    """Refuse an empty id, an empty kind, and the kind that closes batches."""
    if not name or kind in ("", BATCH_KIND):
        raise LedgerError(
            f"{name!r} of kind {kind!r} cannot be written: an id and a kind are needed, and only append_batch writes "
            f"the kind {BATCH_KIND!r}.",
            field="kind",
            got=kind,
        )


def _insert(connection: sqlite3.Connection, rows: list[Row]) -> None:
    try:
        connection.executemany(INSERT, rows)
    except sqlite3.IntegrityError as problem:
        repeated = _first_repeated(connection, rows)
        if repeated is None:
            raise LedgerError(f"The database refused a record: {problem}. Run verify before writing more.") from problem
        raise _conflict(repeated) from problem


def _first_repeated(connection: sqlite3.Connection, rows: list[Row]) -> str | None:
    """The first id that stands twice among these rows, or was there before them."""
    seen: set[str] = set()
    for _, record_id, *_ in rows:
        if record_id in seen or _is_there(connection, record_id, rows[0][0] - 1):
            return str(record_id)
        seen.add(record_id)
    return None


def _is_there(connection: sqlite3.Connection, record_id: str, last_seq: int) -> bool:
    found = connection.execute("SELECT 1 FROM records WHERE record_id = ? AND seq <= ?", (record_id, last_seq))
    return found.fetchone() is not None


def _conflict(record_id: str) -> LedgerConflictError:
    return LedgerConflictError(
        f"Record {record_id} is already in the ledger with other content. What is written stays: write a correction as "
        "a new record about it.",
        field="record_id",
        got=record_id,
    )
