"""The ledger: append records or whole batches, and read them back.

A record is written *before* anyone can act on the decision; when a call returns, its records are on disk. Nothing is
ever changed: writing the same record or batch again writes nothing, and other content under the same id is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from scoring.errors import UnknownDecisionError
from scoring.ledger.appending import append_batch, append_record, refuse_bad_name, unchanged
from scoring.ledger.record import Batch, Head, Record, StoredBatch, StoredRecord, instant_text
from scoring.ledger.rows import COLUMNS, SELECT, find_batch, head_of, stored, stored_batch
from scoring.ledger.sqlite import SqliteFile


class Ledger:
    """An append-only, hash-chained store of decision records.

    Open it with :meth:`open`; it may be used from several threads and by several processes at once.

    Examples
    --------
    >>> from datetime import UTC
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> written_at = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
    >>> ledger = Ledger.open(Path(folder.name) / "ledger.db")
    >>> decision = Record("D1", "decision", {"channel": "sms"}, account_id="A1", as_of=date(2025, 5, 1))
    >>> ledger.append([decision], recorded_at=written_at)[0].seq
    1
    >>> ledger.append([decision], recorded_at=written_at)[0].seq  # the same record again: written once
    1
    >>> ledger.append([Record("D1", "decision", {"channel": "letter"})], recorded_at=written_at)
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerConflictError: Record D1 is already in the ledger with other content. ...
    >>> ledger.get("D1").body
    {'channel': 'sms'}
    >>> ledger.close(); folder.cleanup()
    """

    def __init__(self, database: SqliteFile) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False, wait_seconds: float = 60.0) -> Ledger:
        """The ledger in a file, made or brought to the newest schema where needed.

        Parameters
        ----------
        path : path
            The SQLite file.
        read_only : bool
            True never creates or migrates, and refuses to append.
        wait_seconds : float
            How long a call waits for another process that is writing; a night's batch holds the lock for seconds.

        Raises
        ------
        LedgerError
            The file is missing (read-only), damaged, something else, or of a later version.
        MissingToolError
            The disk refuses.
        """
        return cls(SqliteFile(Path(path), read_only=read_only, wait_seconds=wait_seconds))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Writing

    def append(self, records: Sequence[Record], *, recorded_at: datetime) -> list[StoredRecord]:
        """Write a few records in one transaction: all of them or none; on disk when it returns.

        Returns
        -------
        list of StoredRecord, in the order given
            A record that was already there with the same content comes back as it was first written.

        Raises
        ------
        LedgerConflictError
            ``ledger_conflict``: a record of that id is there with other content.
        UnknownDecisionError
            ``unknown_decision``: ``about`` names a record that is not there.
        """
        instant = instant_text(recorded_at)
        bodies = [record.body_bytes() for record in records]
        for record in records:
            refuse_bad_name(record.record_id, record.kind)
        with self._database.writing() as connection:
            return [append_record(connection, r, body, instant) for r, body in zip(records, bodies, strict=True)]

    def append_batch(self, batch: Batch, blocks: Iterable[pa.Table], *, recorded_at: datetime) -> StoredBatch:
        """Write a whole batch in one transaction: killed at any point, all of it is there or nothing.

        Parameters
        ----------
        batch : Batch
            What all records share. A run that is repeated uses the same ``batch_id``.
        blocks : iterable of tables
            Columns :data:`BLOCK_COLUMNS`, without nulls. They are read inside the transaction, one at a time, so that
            memory stays at one block; other writers wait meanwhile.
        recorded_at : datetime
            The instant of writing; outside the hashed bodies.

        Returns
        -------
        StoredBatch
            With ``already_there`` True when the same records were written under this id before; ``meta`` is then the
            one written first.

        Raises
        ------
        LedgerConflictError
            The batch is there with other records, or one of its records is there outside it.
        """
        instant = instant_text(recorded_at)
        refuse_bad_name(batch.batch_id, batch.kind)
        with self._database.writing() as connection:
            written = find_batch(connection.execute, batch.batch_id)
            if written is None:
                return append_batch(connection, batch, blocks, instant)
        return unchanged(written, batch, blocks)

    # Reading

    def get(self, record_id: str) -> StoredRecord:
        """One record; ``unknown_decision`` where it is not there."""
        found = self._database.rows(f"{SELECT} WHERE record_id = ?", (record_id,))
        if not found:
            raise UnknownDecisionError(
                f"Record {record_id} is not in the ledger. Check the id; what is not recorded was not decided.",
                field="decision_id",
                got=record_id,
            )
        return stored(found[0])

    def about(self, record_id: str) -> list[StoredRecord]:
        """Corrections, overrides, outcomes and requests that name this record, oldest first."""
        return [stored(row) for row in self._database.rows(f"{SELECT} WHERE about = ? ORDER BY seq", (record_id,))]

    def for_account(self, account_id: str, *, limit: int = 50, before: int | None = None) -> list[StoredRecord]:
        """One account's records, newest first; ``before`` is the ``seq`` of the last one of the page before."""
        found = self._database.rows(
            f"{SELECT} WHERE account_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (account_id, before if before is not None else 2**62, limit),
        )
        return [stored(row) for row in found]

    def batch(self, batch_id: str) -> StoredBatch | None:
        """What is known of a batch, or None where none of that id was written."""
        return find_batch(self._database.rows, batch_id)

    def latest_batch(self, kind: str, as_of: date | None = None) -> StoredBatch | None:
        """The batch of this kind (and as-of day) that was written last, or None."""
        closings = self._database.stream(
            f"{SELECT} WHERE kind = 'batch' AND batch_id IS NOT NULL AND (? IS NULL OR as_of = ?) ORDER BY +seq DESC",
            (as_of.isoformat() if as_of else None,) * 2,
        )
        return next((found for found in map(stored_batch, closings) if found.kind == kind), None)

    def records(
        self, *, first_seq: int = 1, last_seq: int | None = None, kind: str | None = None
    ) -> Iterator[StoredRecord]:
        """Records in the order written, one by one, as of the moment the reading starts."""
        rows = self._database.stream(
            f"{SELECT} WHERE seq BETWEEN ? AND ? AND (? IS NULL OR kind = ?) ORDER BY seq",
            (first_seq, last_seq if last_seq is not None else 2**62, kind, kind),
        )
        return (stored(row) for row in rows)

    def head(self) -> Head:
        """The end of the chain: ``seq`` 0 and 32 zero bytes in an empty ledger."""
        return head_of(self._database.rows)

    # For verification

    def rows_as_stored(self) -> Iterator[tuple[Any, ...]]:
        """All rows in order, bodies as bytes, without any interpretation: an edited row must not stop the reading."""
        statement = f"SELECT {COLUMNS.removesuffix('body')} CAST(body AS BLOB) FROM records ORDER BY seq"  # noqa: S608
        return self._database.stream(statement, lenient=True)

    def repeated_ids(self) -> Iterator[tuple[str, int, int]]:
        """Ids that stand more than once, with their count and last ``seq``; the index is not trusted."""
        return self._database.stream(
            "SELECT record_id, count(*), max(seq) FROM records NOT INDEXED GROUP BY record_id HAVING count(*) > 1",
            lenient=True,
        )

    def schema(self) -> dict[str, str]:
        """The text of every table, index and trigger in the file."""
        statement = "SELECT CAST(name AS TEXT), sql FROM sqlite_master WHERE sql IS NOT NULL"
        return dict(self._database.stream(statement, lenient=True))

    def damage(self) -> list[str]:
        """What the database's own check finds wrong: pages, and indexes that disagree with their table."""
        return self._database.damage()
