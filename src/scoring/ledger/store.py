"""The ledger: append records or whole batches, and read them back.

A record is written *before* anyone can act on the decision; when a call returns, its records are on disk. Nothing is
ever changed: writing the same record or batch again writes nothing, and other content under the same id is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from scoring.errors import LedgerError, UnknownDecisionError
from scoring.ledger.appending import (
    PreparedBlock,
    append_record,
    conflict,
    first_repeated,
    link_batch,
    refuse_bad_name,
    unchanged,
)
from scoring.ledger.database import Database, RefusedByDatabase, Row
from scoring.ledger.record import Batch, Head, Record, StoredBatch, StoredRecord, instant_text
from scoring.ledger.rows import SELECT, StoredTree, as_stored, find_batch, head_of, stored, stored_batch
from scoring.ledger.sealing import has_personal, with_opened, with_sealed
from scoring.ledger.sqlite import SqliteFile
from scoring.ledger.subjects import SubjectFile, Subjects
from scoring.ledger.tree import consistency_proof, inclusion_proof, root_of


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

    def __init__(self, database: Database, subjects: Subjects) -> None:
        self._database, self._subjects = database, subjects

    @classmethod
    def open(cls, place: Path | str, *, read_only: bool = False, wait_seconds: float = 60.0) -> Ledger:
        """The ledger in a file or a PostgreSQL database, made or brought to the newest schema where needed.

        Parameters
        ----------
        place : path, or text that begins with ``postgresql://``
            The SQLite file; the subjects' keys stand beside it in ``<name>-subjects.db``.
        read_only : bool
            True never creates or migrates, and refuses to append.
        wait_seconds : float
            How long a call waits for another process that is writing.

        Raises
        ------
        LedgerError
            The ledger is missing (read-only), damaged, something else, or of a later version.
        MissingToolError
            The disk or the server refuses, or the PostgreSQL driver is not installed.
        """
        database = open_database(place, read_only=read_only, wait_seconds=wait_seconds)
        if isinstance(database, SqliteFile):
            keys = database.path.with_name(f"{database.path.stem}-subjects.db")
            return cls(database, SubjectFile(keys, read_only=read_only, wait_seconds=wait_seconds))
        from scoring.ledger.postgres_subjects import PostgresSubjects

        return cls(database, PostgresSubjects(str(place), read_only=read_only))

    def close(self) -> None:
        """Close ledger and keys."""
        self._database.close()
        self._subjects.close()

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
        self._refuse_read_only()
        instant = instant_text(recorded_at)
        for record in records:
            refuse_bad_name(record.record_id, record.kind)
        prepared = [self._prepared(record) for record in records]
        try:
            with self._database.staging() as stage, stage.linking() as connection:
                return [append_record(connection, *each, instant) for each in prepared]
        except RefusedByDatabase as problem:
            raise _refused(problem) from problem

    def _prepared(self, record: Record) -> tuple[Record, str | None, bytes]:
        """A record, the reference of its account, and its body with every personal text sealed."""
        ref = record.account_ref
        if ref is None and record.account_id is not None:
            ref = self._ref(record.account_id)
        if isinstance(record.body, bytes) or not has_personal(record.body):
            return record, ref, record.body_bytes()
        key = None if ref is None else self._subjects.key(ref)
        if key is None:
            raise LedgerError(
                f"Record {record.record_id} holds personal text and names no account, so there is no key to seal it with. Give "
                "its account_id.",
                field="account_id",
            )
        sealed = with_sealed(record.body, key, record.record_id)
        return record, ref, Record(record.record_id, record.kind, sealed).body_bytes()

    def _ref(self, account_id: str) -> str:
        return self.refs([account_id])[0]

    def _refuse_read_only(self) -> None:
        if self._database.read_only:
            raise LedgerError(
                "The ledger was opened for reading only. Open it for writing to append.", field="read_only"
            )

    def refs(self, account_ids: Sequence[str]) -> list[str]:
        """What stands for each account in the ledger; given now to an account that is seen for the first time.

        Raises
        ------
        LedgerError
            The ledger is open for reading only, and an account has no reference yet.
        """
        return self._subjects.refs(account_ids)

    def append_batch(self, batch: Batch, blocks: Iterable[pa.Table], *, recorded_at: datetime) -> StoredBatch:
        """Write a whole batch in one transaction: killed at any point, all of it is there or nothing.

        Parameters
        ----------
        batch : Batch
            What all records share. A run that is repeated uses the same ``batch_id``.
        blocks : iterable of tables
            Columns :data:`BLOCK_COLUMNS`, without nulls; bodies hold references (`refs`), never account ids. They are read one
            at a time and their bodies are written while others write too; only the linking at the end makes others wait.
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
        self._refuse_read_only()
        instant = instant_text(recorded_at)
        refuse_bad_name(batch.batch_id, batch.kind)
        written = self.batch(batch.batch_id)
        if written is not None:
            given = [member for block in blocks for member in PreparedBlock(block, self._subjects, None).members()]
            return self._unchanged(written, batch, given)
        with self._database.staging() as stage:
            prepared = [PreparedBlock(block, self._subjects, stage) for block in blocks]
            members = (member for block in prepared for member in block.members())
            try:
                with stage.linking() as connection:
                    written = find_batch(connection.execute, batch.batch_id)
                    if written is None:
                        return link_batch(connection, batch, prepared, instant)
            except RefusedByDatabase as problem:
                repeated = first_repeated(self._database.rows, (record_id for record_id, _, _ in members))
                raise (_refused(problem) if repeated is None else conflict(repeated)) from problem
            return self._unchanged(written, batch, list(members))

    def _unchanged(self, written: StoredBatch, batch: Batch, given: list[tuple[str, str, bytes]]) -> StoredBatch:
        there = self._database.stream(
            "SELECT record_id, account_ref, body_hash FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq",
            (written.first_seq or 0, written.last_seq or -1),
        )
        return unchanged(written, batch, given, there)

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
        return self._named(found)[0]

    def about(self, record_id: str) -> list[StoredRecord]:
        """Corrections, overrides, outcomes and requests that name this record, oldest first."""
        return self._named(self._database.rows(f"{SELECT} WHERE about = ? ORDER BY seq", (record_id,)))

    def opened(self, record: StoredRecord) -> dict[str, Any]:
        """A record's values with its sealed texts opened; None stands where the subject was erased."""
        key = None if record.account_ref is None else self._subjects.key(record.account_ref)
        opened: dict[str, Any] = with_opened(record.body, key, record.record_id)
        return opened

    def for_account(
        self, account_id: str, *, limit: int = 50, before: int | None = None, kind: str | None = None
    ) -> list[StoredRecord]:
        """One account's records, or those of one kind, newest first; ``before`` is the ``seq`` of the last one of the page before."""
        ref = self._subjects.known_ref(account_id) or account_id  # records of schema 1 hold the id itself
        found = self._database.rows(
            f"{SELECT} WHERE account_ref = ? AND seq < ? AND (CAST(? AS TEXT) IS NULL OR kind = ?) ORDER BY seq DESC LIMIT ?",
            (ref, before if before is not None else 2**62, kind, kind, limit),
        )
        return self._named(found)

    def _named(self, rows: Sequence[Row]) -> list[StoredRecord]:
        """Rows as records, each with the account that its reference stands for."""
        accounts = self._subjects.accounts([row[3] for row in rows if row[3] is not None])
        return [stored(row, accounts.get(row[3])) for row in rows]

    def batch(self, batch_id: str) -> StoredBatch | None:
        """What is known of a batch, or None where none of that id was written."""
        return find_batch(self._database.rows, batch_id)

    def latest_batch(self, kind: str, as_of: date | None = None) -> StoredBatch | None:
        """The batch of this kind (and as-of day) that was written last, or None."""
        closings = self._database.stream(
            f"{SELECT} WHERE kind = 'batch' AND (CAST(? AS TEXT) IS NULL OR as_of = ?) ORDER BY seq DESC",
            (as_of.isoformat() if as_of else None,) * 2,
        )
        return next((found for found in map(stored_batch, closings) if found.kind == kind), None)

    def records(
        self, *, first_seq: int = 1, last_seq: int | None = None, kind: str | None = None
    ) -> Iterator[StoredRecord]:
        """Records in the order written, one by one, as of the moment the reading starts."""
        rows = self._database.stream(
            f"{SELECT} WHERE seq BETWEEN ? AND ? AND (CAST(? AS TEXT) IS NULL OR kind = ?) ORDER BY seq",
            (first_seq, last_seq if last_seq is not None else 2**62, kind, kind),
        )
        return (record for some in _in_groups(rows) for record in self._named(some))

    def head(self) -> Head:
        """The end of the chain: ``seq`` 0 and 32 zero bytes in an empty ledger."""
        return head_of(self._database.rows)

    # Proofs

    def tree_root(self, size: int) -> bytes:
        """The root of the tree over the first ``size`` records."""
        return root_of(StoredTree(self._database.rows), size)

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """The hashes that lead from a record's leaf to the root over the first ``size`` records."""
        return inclusion_proof(StoredTree(self._database.rows), seq - 1, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The hashes that show the first ``old`` records to be the beginning of the first ``new``."""
        return consistency_proof(StoredTree(self._database.rows), old, new)

    # For verification

    def rows_as_stored(self, first_seq: int = -(2**62), last_seq: int = 2**62) -> Iterator[Row]:
        """Rows in order, bodies as bytes, without any interpretation: an edited row must not stop the reading."""
        statement = f"{as_stored(self._database.body_bytes)} WHERE seq BETWEEN ? AND ? ORDER BY seq"
        return self._database.stream(statement, (first_seq, last_seq), lenient=True)

    def nodes_as_stored(self) -> Iterator[Row]:
        """Kept nodes of the tree: level, place, hash."""
        return self._database.stream("SELECT level, place, hash FROM tree_nodes", lenient=True)

    @property
    def database(self) -> Database:
        """Where it is kept."""
        return self._database

    @property
    def subjects(self) -> Subjects:
        """The subjects' references and keys."""
        return self._subjects


def open_database(place: Path | str, *, read_only: bool, wait_seconds: float = 60.0) -> Database:
    """Where a ledger is kept: a file, or a database whose address begins with ``postgresql://``."""
    if not str(place).startswith(("postgresql://", "postgres://")):
        return SqliteFile(Path(place), read_only=read_only, wait_seconds=wait_seconds)
    from scoring.ledger.postgres import PostgresLedger

    return PostgresLedger(str(place), read_only=read_only, wait_seconds=wait_seconds)


def _in_groups(rows: Iterator[Row], size: int = 500) -> Iterator[list[Row]]:
    while group := list(islice(rows, size)):
        yield group


def _refused(problem: RefusedByDatabase) -> LedgerError:
    return LedgerError(f"The database refused a record: {problem}. Run verify before writing more.")
