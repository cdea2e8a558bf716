"""Verification: every way in which a ledger is not what was written, found in one pass.

The chain is walked record by record, so memory stays small. One edit gives the findings that it causes and no more: the
walk goes on with what is stored, and a record after an edited one is sound again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson

from scoring.errors import LedgerError
from scoring.ledger.appending import batch_member
from scoring.ledger.chain import GENESIS, envelope, link
from scoring.ledger.record import BATCH_KIND, Head
from scoring.ledger.schema import expected_schema
from scoring.ledger.store import Ledger

FINDING_CODES: Final = {
    "body_edited": "the body does not give its body_hash",
    "record_edited": "the columns, the link or the body_hash do not give the record's hash",
    "broken_link": "prev_hash is not the hash of the record before it",
    "gap_in_seq": "records are missing between two others",
    "duplicate_record": "a record_id stands more than once",
    "batch_mismatch": "a batch does not hold the records that its closing record counts",
    "batch_unclosed": "a batch has records but no closing record",
    "cut_tail": "the ledger ends before the head that was kept elsewhere",
    "rewritten": "the record at the head that was kept elsewhere has another hash",
    "guard_missing": "a table, index or trigger is missing or changed",
    "file_damaged": "the file cannot be read through, or its indexes disagree with its tables",
}
"""What each code means; every finding has one of them."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written: a code, the place, and a sentence."""

    code: str
    message: str
    seq: int | None = None
    record_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        >>> Finding("cut_tail", "The ledger ends at 2.").as_dict()
        {'code': 'cut_tail', 'message': 'The ledger ends at 2.', 'seq': None, 'record_id': None}
        """
        return dict(vars(self))


def verify(ledger: Ledger, expected: Head | None = None) -> list[Finding]:
    """Everything that is wrong with a ledger; an empty list when it is sound.

    Parameters
    ----------
    ledger : Ledger
        Open for reading; others may append meanwhile, the walk sees the records that were there when it began.
    expected : Head, optional
        A head kept elsewhere. Without one, a cut tail or a chain rewritten as a whole cannot be seen: keep the head of
        every night where the owner of the file cannot write.

    Returns
    -------
    list of Finding
        In the order of the ledger; codes as in :data:`FINDING_CODES`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from scoring.ledger.record import Record
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([Record("D1", "decision", {})], recorded_at=datetime(2025, 5, 2, tzinfo=UTC))
    ...     sound, cut = verify(ledger, ledger.head()), verify(ledger, Head(7, bytes(32)))
    >>> sound, [finding.code for finding in cut]
    ([], ['cut_tail'])
    """
    return [*_file_findings(ledger), *_chain_findings(ledger, expected), *_duplicates(ledger)]


def _file_findings(ledger: Ledger) -> Iterator[Finding]:
    found = ledger.schema()
    for name, text in expected_schema().items():
        if found.get(name) != text:
            yield Finding("guard_missing", f"{name} is missing or changed, so the file no longer guards itself.")
    for name in sorted(set(found) - set(expected_schema())):
        if not name.startswith("sqlite_"):  # statistics that ANALYZE leaves
            yield Finding("guard_missing", f"{_printable(name)} was added and may change what is read or written.")
    for problem in ledger.damage():
        yield Finding("file_damaged", f"The database says: {problem}. Restore the file from a copy.")


def _chain_findings(ledger: Ledger, expected: Head | None) -> list[Finding]:
    walk = _Walk(expected)
    try:
        for row in ledger.rows_as_stored():
            walk.take(row)
    except LedgerError as damage:
        walk.findings.append(
            Finding("file_damaged", f"Records after seq {walk.seq} cannot be read: {damage.message}", walk.seq)
        )
    walk.end()
    return walk.findings


def _duplicates(ledger: Ledger) -> Iterator[Finding]:
    try:
        for record_id, count, seq in ledger.repeated_ids():
            name = _printable(record_id)
            yield Finding("duplicate_record", f"{name} stands {count} times; ids are unique.", seq, name)
    except LedgerError as damage:
        yield Finding("file_damaged", f"Ids cannot be compared: {damage.message}")


@dataclass
class _OpenBatch:
    """A batch whose closing record has not been seen yet."""

    batch_id: str | None = None
    first_seq: int | None = None
    count: int = 0
    digest: Any = field(default_factory=sha256)


class _Walk:
    """The state of one pass: the record before, the batch that is open, and what was found."""

    def __init__(self, expected: Head | None) -> None:
        self.findings: list[Finding] = []
        self.seq, self._previous = 0, GENESIS
        self._expected = expected
        self._batch = _OpenBatch()

    def take(self, row: tuple[Any, ...]) -> None:
        """Check one record, given as stored, against itself and the one before."""
        seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at, body_hash, prev_hash, stored, body = row
        if seq != self.seq + 1:
            self._find("gap_in_seq", f"Records {self.seq + 1} to {seq - 1} are missing.", seq, record_id)
        if prev_hash != self._previous:
            self._find("broken_link", f"Record {seq} does not link to record {self.seq}.", seq, record_id)
        try:
            seen = sha256(body).digest()
            columns = envelope(seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at)
            linked = link(prev_hash, body_hash, columns)
        except TypeError:  # bytes that are no text, or a type that no record has
            seen = linked = b""
        if seen != body_hash:
            self._find("body_edited", f"The body of record {seq} was changed after it was written.", seq, record_id)
        if linked != stored:
            self._find("record_edited", f"Record {seq} was changed after it was written.", seq, record_id)
        if self._expected is not None and seq == self._expected.seq and stored != self._expected.hash:
            self._find("rewritten", f"Record {seq} is not the one whose hash was kept elsewhere.", seq, record_id)
        self._follow_batch(seq, record_id, kind, account_id, batch_id, seen, body)
        self.seq, self._previous = seq, stored

    def end(self) -> None:
        """What can be said only at the end: a cut tail, a batch left open."""
        self._leave_batch()
        if self._expected is not None and self.seq < self._expected.seq:
            self._find("cut_tail", f"The ledger ends at {self.seq}; a head at {self._expected.seq} was kept.", self.seq)

    def _follow_batch(
        self, seq: int, record_id: str, kind: str, account_id: str, batch_id: str | None, body_hash: bytes, body: bytes
    ) -> None:
        if batch_id != self._batch.batch_id:
            self._leave_batch()
            self._batch = _OpenBatch(batch_id)
        if batch_id is None:
            return
        if kind == BATCH_KIND:
            self._close_batch(seq, record_id, body)
            return
        self._batch.first_seq = self._batch.first_seq or seq
        self._batch.count += 1
        try:
            self._batch.digest.update(batch_member(record_id, account_id, body_hash))
        except TypeError:
            self._batch.digest.update(b"unreadable")

    def _close_batch(self, seq: int, record_id: str, body: bytes) -> None:
        batch, self._batch = self._batch, _OpenBatch()
        seen = {"n_records": batch.count, "first_seq": batch.first_seq, "records_hash": batch.digest.hexdigest()}
        try:
            counted = orjson.loads(body)
            written = {name: counted[name] for name in seen}
        except (orjson.JSONDecodeError, KeyError, TypeError):
            written = {}
        if seen != written:
            self._find(
                "batch_mismatch",
                f"Batch {batch.batch_id} holds {batch.count} records that differ in number, place or content from the "
                f"{written.get('n_records')} that its closing record counts.",
                seq,
                record_id,
            )

    def _leave_batch(self) -> None:
        if self._batch.count:
            self._find("batch_unclosed", f"Batch {self._batch.batch_id} has records but no closing record.", self.seq)
        self._batch = _OpenBatch()

    def _find(self, code: str, message: str, seq: int | None, record_id: str | None = None) -> None:
        self.findings.append(Finding(code, _printable(message), seq, _printable(record_id) if record_id else None))


def _printable(text: str) -> str:
    """Text from a damaged file may hold bytes that are no text; they are shown as escapes."""
    return str(text).encode("utf-8", "backslashreplace").decode()
