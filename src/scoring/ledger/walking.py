"""One pass over a stretch of the ledger: every record against itself, its body and the one before.

Stretches can be walked in several processes at once, because each record states the hash of the one before. What needs the whole
(batches that cross a border, the tree) is returned and put together by `scoring.ledger.verify`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from scoring.errors import LedgerError
from scoring.ledger.chain import GENESIS, envelope, link
from scoring.ledger.database import Database, Row
from scoring.ledger.findings import Finding, printable
from scoring.ledger.record import BATCH_KIND
from scoring.ledger.rows import as_stored


@dataclass(frozen=True)
class Run:
    """Records of one batch that stand one after another, or the closing record of one."""

    batch_id: str | None
    first_seq: int
    last_seq: int
    count: int
    closing: dict[str, Any] | None = None
    record_id: str = ""


@dataclass
class Stretch:
    """What a pass over some records gives.

    ``links`` holds their stored hashes in order, ``runs`` where they belong to batches, ``gap_at`` the place in ``links`` of the first
    record that does not follow the one before.
    """

    findings: list[Finding] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    gap_at: int | None = None
    last_seq: int = 0


def walk(database: Database, first_seq: int, last_seq: int) -> Stretch:
    """Check the records from ``first_seq`` to ``last_seq``, each against itself and the one before."""
    before = database.rows("SELECT seq, hash FROM records WHERE seq < ? ORDER BY seq DESC LIMIT 1", (first_seq,))
    walker = _Walker(*(before[0] if before else (0, GENESIS)))
    statement = f"{as_stored(database.body_bytes)} WHERE seq BETWEEN ? AND ? ORDER BY seq"
    try:
        for row in database.stream(statement, (first_seq, last_seq), lenient=True):
            walker.take(row)
    except LedgerError as damage:
        walker.find("file_damaged", f"Records after seq {walker.seq} cannot be read: {damage.message}", walker.seq)
    return walker.ended()


class _Walker:
    """The state of one pass: the record before, the batch it is in, and what was found."""

    def __init__(self, seq: int, previous: bytes) -> None:
        self.seq, self._previous = seq, previous
        self._found = Stretch()
        self._batch_id: str | None = None
        self._first, self._count = seq + 1, 0

    def take(self, row: Row) -> None:
        """Check one record, given as stored."""
        seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, prev_hash, stored, body = row
        if seq != self.seq + 1:
            self.find("gap_in_seq", f"Records {self.seq + 1} to {seq - 1} are missing.", seq, record_id)
            self._found.gap_at = len(self._found.links) if self._found.gap_at is None else self._found.gap_at
        if prev_hash != self._previous:
            self.find("broken_link", f"Record {seq} does not link to record {self.seq}.", seq, record_id)
        try:
            seen = None if body is None else sha256(body).digest()
            columns = envelope(seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at)
            linked = link(prev_hash, body_hash, columns)
        except TypeError:  # bytes that are no text, or a type that no record has
            seen = linked = b""
        if seen is None:
            self.find("body_missing", f"The body of record {seq} is not there.", seq, record_id)
        elif seen != body_hash:
            self.find("body_edited", f"The body of record {seq} was changed after it was written.", seq, record_id)
        if linked != stored:
            self.find("record_edited", f"Record {seq} was changed after it was written.", seq, record_id)
        self._follow(seq, kind, batch_id, record_id, body)
        self._found.links.append(stored if isinstance(stored, bytes) else b"")
        self.seq, self._previous = seq, stored

    def _follow(self, seq: int, kind: str, batch_id: str | None, record_id: str, body: bytes | None) -> None:
        if kind == BATCH_KIND:
            self._end_run()
            self._found.runs.append(Run(batch_id, seq, seq, 0, _parsed(body), record_id))
        elif batch_id != self._batch_id:
            self._end_run()
            self._batch_id, self._first, self._count = batch_id, seq, 1
        else:
            self._count += 1

    def _end_run(self) -> None:
        """Note the records of the batch that ends here."""
        if self._batch_id is not None:
            self._found.runs.append(Run(self._batch_id, self._first, self.seq, self._count))
        self._batch_id = None

    def ended(self) -> Stretch:
        """What was found."""
        self._end_run()
        self._found.last_seq = self.seq
        return self._found

    def find(self, code: str, message: str, seq: int | None, record_id: str | None = None) -> None:
        """Add a finding."""
        name = printable(record_id) if record_id else None
        self._found.findings.append(Finding(code, printable(message), seq, name))


def _parsed(body: bytes | None) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
