"""Appending: a record, or a whole batch whose bodies are written before its records are linked.

The head of the chain is read inside the transaction that extends it, so writers in several processes leave one chain. All that does
not depend on the head (bodies, their hashes, references) is prepared before, while others go on writing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa

from scoring.errors import LedgerConflictError, LedgerError, UnknownDecisionError
from scoring.ledger.chain import envelope, link
from scoring.ledger.database import Linking, Row, Staging
from scoring.ledger.record import BATCH_KIND, Batch, Head, Record, StoredBatch, StoredRecord
from scoring.ledger.rows import SELECT, Run, StoredTree, head_before, head_of, stored, stored_batch
from scoring.ledger.subjects import Subjects
from scoring.ledger.tree import GrowingTree, leaf_hash, peaks_of

BLOCK_COLUMNS: Final = ("record_id", "account_id", "body")
"""The text columns of a block: ids, and the canonical JSON of each record."""


def append_record(
    connection: Linking, record: Record, account_ref: str | None, body: bytes, instant: str
) -> StoredRecord:
    """One record at the end of the chain, or the one that is there with the same content."""
    as_of = record.as_of.isoformat() if record.as_of else None
    row = (record.record_id, record.kind, account_ref, as_of, None, record.about)
    body_hash = sha256(body).digest()
    head, is_there = head_before(connection.execute, record.record_id)
    found = connection.execute(f"{SELECT} WHERE record_id = ?", (record.record_id,)) if is_there else []
    if found:
        if found[0][1:7] != row or found[0][8] != body_hash:
            raise conflict(record.record_id)
        return stored(found[0], record.account_id)
    if record.about is not None and not connection.execute(
        "SELECT 1 FROM records WHERE record_id = ?", (record.about,)
    ):
        raise UnknownDecisionError(
            f"Record {record.record_id} is about {record.about}, which is not in the ledger. Record that first.",
            field="about",
            got=record.about,
        )
    columns = envelope(head.seq + 1, *row, instant)
    linked = (head.seq + 1, *row, instant, body_hash, head.hash, link(head.hash, body_hash, columns))
    text = body.decode()
    connection.link_alone(linked, text)
    _grow(connection, [linked[10]], head.seq)
    return stored((*linked, text), record.account_id)


class PreparedBlock:
    """A block of a batch whose bodies are written and whose references are known; it only has to be linked."""

    def __init__(self, block: pa.Table, subjects: Subjects, stage: Staging | None) -> None:
        ids, accounts, bodies = _columns_of(block)
        self._ids = pa.array(ids, pa.string())
        self._refs = pa.array(subjects.refs(accounts), pa.string())
        self._hashes = pa.array([sha256(text.encode()).digest() for text in bodies], pa.binary(32))
        kept = stage.keep(bodies) if stage is not None and bodies else []
        self._body_ids = np.array(kept, dtype=np.int64)

    def members(self) -> list[tuple[str, str, bytes]]:
        """What is the same whenever the batch is written: id, reference and body hash of each record, in order."""
        return list(zip(self._ids.to_pylist(), self._refs.to_pylist(), self._hashes.to_pylist(), strict=True))

    def body_ids(self) -> list[int]:
        """Where the bodies are."""
        return [int(body_id) for body_id in self._body_ids.tolist()]


def link_batch(connection: Linking, batch: Batch, blocks: Sequence[PreparedBlock], instant: str) -> StoredBatch:
    """All records of a batch at the end of the chain, then the record that closes it and states the tree's root."""
    head = start = head_of(connection.execute)
    tree = _tree(connection, head.seq)
    kind, as_of, batch_id = batch.kind, batch.as_of.isoformat(), batch.batch_id
    for block in blocks:
        rows, nodes = [], []
        for (record_id, ref, body_hash), body_id in zip(block.members(), block.body_ids(), strict=True):
            seq = head.seq + 1
            own = envelope(seq, record_id, kind, ref, as_of, batch_id, None, instant)
            linked = link(head.hash, body_hash, own)
            rows.append(
                (seq, record_id, kind, ref, as_of, batch_id, None, instant, body_hash, head.hash, linked, body_id)
            )
            nodes += tree.add(leaf_hash(linked))
            head = Head(seq, linked)
        connection.link(rows)
        connection.keep_nodes(nodes)
    return _close(connection, batch, start, head, tree, instant)


def _close(connection: Linking, batch: Batch, start: Head, head: Head, tree: GrowingTree, instant: str) -> StoredBatch:
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
            "tree_root": tree.root().hex(),
            "meta": dict(batch.meta),
        },
    )
    text = closing.body_bytes().decode()
    body_hash = sha256(text.encode()).digest()
    row = (head.seq + 1, closing.record_id, BATCH_KIND, None, batch.as_of.isoformat(), batch.batch_id, None, instant)
    linked = (*row, body_hash, head.hash, link(head.hash, body_hash, envelope(*row)))
    connection.link_alone(linked, text)
    connection.keep_nodes(tree.add(leaf_hash(linked[10])))
    return stored_batch((*linked, text))


def unchanged(
    written: StoredBatch, batch: Batch, given: Iterable[tuple[Any, ...]], there: Iterable[Row]
) -> StoredBatch:
    """The batch as written, provided that the same records were given again (id, reference, body hash, in order)."""
    if (batch.kind, batch.as_of) != (written.kind, written.as_of) or list(given) != [tuple(row) for row in there]:
        raise LedgerConflictError(
            f"Batch {batch.batch_id} is already in the ledger with {written.n_records} records of kind {written.kind} "
            f"as of {written.as_of}, and the records given now differ. A written batch is never changed: use another "
            "batch id, or find out what changed in the inputs.",
            field="batch_id",
            got=batch.batch_id,
        )
    return StoredBatch(**{**vars(written), "already_there": True})


def _tree(connection: Linking, size: int) -> GrowingTree:
    return GrowingTree(size, peaks_of(StoredTree(connection.execute), size))


def _grow(connection: Linking, links: Sequence[bytes], size: int) -> None:
    """Keep the nodes that single records complete; the tree is read only when there is one."""
    if (size + len(links)) >> 8 > size >> 8:
        tree = _tree(connection, size)
        connection.keep_nodes([node for added in links for node in tree.add(leaf_hash(added))])


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
    if not name or "\0" in name or kind in ("", BATCH_KIND):
        raise LedgerError(
            f"{name!r} of kind {kind!r} cannot be written: an id and a kind are needed, and only append_batch writes "
            f"the kind {BATCH_KIND!r}.",
            field="kind",
            got=kind,
        )


def first_repeated(run: Run, ids: Iterable[str]) -> str | None:
    """The first of these ids that stands twice among them, or is in the ledger already."""
    seen: set[str] = set()
    for record_id in ids:
        if record_id in seen or list(run("SELECT 1 FROM records WHERE record_id = ?", (record_id,))):
            return record_id
        seen.add(record_id)
    return None


def conflict(record_id: str) -> LedgerConflictError:
    """The refusal of a record whose id is taken."""
    return LedgerConflictError(
        f"Record {record_id} is already in the ledger with other content. What is written stays: write a correction as "
        "a new record about it.",
        field="record_id",
        got=record_id,
    )
