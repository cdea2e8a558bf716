"""What is written to the ledger and what is read from it: records, batches, and the head of the chain.

A record is written once. A correction, an override, an outcome or a request is a new record whose ``about`` names the
old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson

from scoring.errors import LedgerError
from scoring.ledger.canonical import canonical

BATCH_KIND: Final = "batch"
"""The kind of the record that closes a batch; its body says how many records the batch holds and their digest."""


@dataclass(frozen=True)
class Record:
    """A record to be written.

    Parameters
    ----------
    record_id : str
        Unique in the ledger for good. Derive it from what is decided (batch and account, request key), so that
        writing the same record again is recognised; a random id would write it twice.
    kind : str
        ``decision``, ``override``, ``outcome``, ``request``, ...; ``batch`` is reserved.
    body : mapping or bytes
        The record's values, or their canonical JSON as :func:`~scoring.ledger.canonical.canonical_column` gives it.
    account_id : str, optional
        The account it is about.
    as_of : date, optional
        The day by whose end everything used was known.
    about : str, optional
        The ``record_id`` of the earlier record that this one corrects, overrides or reports on.
    account_ref : str, optional
        What stands for the account in the ledger, where the caller has asked `Ledger.refs` for it already.

    Examples
    --------
    >>> Record("D1", "decision", {"rank": 2, "channel": "sms"}).body_bytes()
    b'{"channel":"sms","rank":2}'
    """

    record_id: str
    kind: str
    body: Mapping[str, Any] | bytes
    account_id: str | None = None
    as_of: date | None = None
    about: str | None = None
    account_ref: str | None = field(default=None, compare=False)

    def body_bytes(self) -> bytes:
        """The hashed bytes: canonical JSON."""
        if not isinstance(self.body, bytes):
            return canonical(self.body)
        try:
            self.body.decode()
        except UnicodeDecodeError as problem:
            raise LedgerError(
                f"The body of record {self.record_id} is not UTF-8, and JSON is. Write it with canonical().",
                field="body",
            ) from problem
        return self.body


@dataclass(frozen=True)
class Batch:
    """A batch to be written: one kind, one ``as_of``, and what all its records share.

    Parameters
    ----------
    batch_id : str
        Unique in the ledger for good; the same run has the same id when it is run again.
    kind : str
        The kind of every record in it.
    as_of : date
        The as-of day of every record in it.
    meta : mapping
        Plain JSON values: run id, versions and hashes of bundle and policy, capacities, prices.
    """

    batch_id: str
    kind: str
    as_of: date
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredRecord:
    """A record as the ledger holds it. ``seq`` counts from 1 without gaps.

    ``account_ref`` stands for the account in everything that is hashed; ``account_id`` is read from the subjects' keys, apart
    from the ledger, and is None once the subject was erased.
    """

    seq: int
    record_id: str
    kind: str
    account_ref: str | None
    as_of: date | None
    batch_id: str | None
    about: str | None
    recorded_at: datetime
    body_hash: bytes
    prev_hash: bytes
    hash: bytes
    text: str
    account_id: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The record's values, parsed from the hashed text."""
        parsed: dict[str, Any] = orjson.loads(self.text)
        return parsed

    def integrity(self) -> dict[str, Any]:
        """What a reviewer needs to find the record in the chain: place and hashes, in hex."""
        return {
            "canonicalisation": "RFC 8785",
            "seq": self.seq,
            "body_hash": self.body_hash.hex(),
            "prev_hash": self.prev_hash.hex(),
            "hash": self.hash.hex(),
        }


@dataclass(frozen=True)
class StoredBatch:
    """A batch as the ledger holds it.

    ``first_seq`` and ``last_seq`` bound its records (both None when it holds none); ``closing_seq`` is the record that
    closes it, ``tree_root`` the root of the tree over every record before that one (empty in ledgers of schema 1), ``already_there`` True when this call wrote nothing.
    """

    batch_id: str
    kind: str
    as_of: date
    n_records: int
    first_seq: int | None
    last_seq: int | None
    closing_seq: int
    tree_root: str
    meta: dict[str, Any]
    already_there: bool = False


@dataclass(frozen=True)
class Head:
    """The end of the chain: keep a copy outside, because a cut tail shows only against it.

    >>> Head.parse(str(Head(2, bytes(32)))) == Head(2, bytes(32))
    True
    >>> Head.parse("7")
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: '7' is not a ledger head. Write it as SEQ:HASH, a whole number and 64 hex digits.
    """

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head written as ``SEQ:HASH``."""
        seq, _, digits = text.partition(":")
        try:
            head = cls(int(seq), bytes.fromhex(digits))
        except ValueError:
            head = cls(-1, b"")
        if head.seq < 0 or len(head.hash) != 32:
            raise LedgerError(
                f"{text!r} is not a ledger head. Write it as SEQ:HASH, a whole number and 64 hex digits.",
                field="head",
                got=text,
                expected="SEQ:HASH",
            )
        return head


def instant_text(recorded_at: datetime) -> str:
    """An instant as the ledger writes it: UTC, microseconds, ``Z``.

    >>> instant_text(datetime(2025, 5, 2, 1, 30, tzinfo=UTC))
    '2025-05-02T01:30:00.000000Z'
    """
    if recorded_at.tzinfo is None:
        raise LedgerError(
            f"recorded_at {recorded_at.isoformat()} has no time zone, so the record would not say when it was written. "
            "Give an instant in UTC.",
            field="recorded_at",
            got=recorded_at.isoformat(),
            expected="an instant with a time zone",
        )
    return recorded_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
