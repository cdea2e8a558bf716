"""How long records are kept, who holds them longer, and how a subject is erased.

Every kind of record belongs to a retention class with a number of days, five years at least. What is past them is not cut out of the
chain: the subject's entry is destroyed (`scoring.ledger.subjects`), which leaves hashes and figures and nobody they belong to. A legal
hold stops both, until it is lifted; hold, lifting and erasure are records themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final

from scoring.errors import BadRequestError
from scoring.ledger.record import Record, StoredRecord, instant_text
from scoring.ledger.store import Ledger

FIVE_YEARS: Final = 1826
RETENTION_DAYS: Final = {
    "decision": FIVE_YEARS,
    "override": FIVE_YEARS,
    "request": FIVE_YEARS,
    "answer": FIVE_YEARS,
    "outcome": FIVE_YEARS,
    "access": FIVE_YEARS,
    "legal_hold": FIVE_YEARS,
}
"""Days after the last record about a subject; a kind that is not named is kept as long as a decision. House rule of 2026-11, from the
five years that the strictest neighbouring rule asks of collection records."""

RETENTION_CLASS: Final = {"decision": "decision_record", "outcome": "contact_log", "access": "access_log"}
"""Kinds of records by the class of the retention table that they belong to; the others go with the decision that they are about."""

HOLD: Final = "legal_hold"
ERASURE: Final = "erasure"


@dataclass(frozen=True)
class Retention:
    """How long one record is kept: its class, and the last day on which it is kept for its own sake."""

    retention_class: str
    delete_after: date


@dataclass(frozen=True)
class Due:
    """A subject whose last record is past its retention."""

    account_ref: str
    delete_after: date
    is_held: bool


def delete_after(record: StoredRecord) -> date:
    """The last day on which a record is kept for its own sake.

    >>> from datetime import UTC
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> delete_after(StoredRecord(1, "D1", "decision", "s-1", None, None, None, at, b"", b"", b"", "{}"))
    datetime.date(2030, 5, 2)
    """
    return record.recorded_at.date() + timedelta(days=RETENTION_DAYS.get(record.kind, FIVE_YEARS))


def retention_of(record: StoredRecord) -> Retention:
    """The retention class of a record and the day after which its subject may be erased; derived, so that a new rule holds for all.

    >>> from datetime import UTC
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> retention_of(StoredRecord(1, "O1", "outcome", "s-1", None, None, None, at, b"", b"", b"", "{}"))
    Retention(retention_class='contact_log', delete_after=datetime.date(2030, 5, 2))
    """
    return Retention(RETENTION_CLASS.get(record.kind, RETENTION_CLASS["decision"]), delete_after(record))


def due_for_erasure(ledger: Ledger, on: date) -> Iterator[Due]:
    """Subjects all of whose records are past their retention on a day; held ones are marked and must stay."""
    rows = ledger.database.rows(
        "SELECT account_ref, kind, max(recorded_at) FROM records WHERE account_ref IS NOT NULL GROUP BY account_ref, kind"
    )
    last: dict[str, date] = {}
    for ref, kind, recorded_at in rows:
        until = datetime.fromisoformat(recorded_at).date() + timedelta(days=RETENTION_DAYS.get(kind, FIVE_YEARS))
        last[ref] = max(until, last.get(ref, until))
    due = sorted(ref for ref, until in last.items() if until < on)
    known = ledger.subjects.accounts(due)
    held = _held(ledger)
    return (Due(ref, last[ref], ref in held) for ref in due if ref in known)


def _held(ledger: Ledger) -> set[str]:
    holds: dict[str, bool] = {}
    for record in ledger.records(kind=HOLD):
        holds[str(record.account_ref)] = bool(record.body["is_held"])
    return {ref for ref, is_held in holds.items() if is_held}


def hold(
    ledger: Ledger, account_id: str, *, is_held: bool, by: str, reason_code: str, recorded_at: datetime
) -> StoredRecord:
    """Put a subject under legal hold, or lift it.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> at, later = datetime(2025, 5, 2, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([Record("D1", "decision", {}, account_id="A1")], recorded_at=at)
    ...     _ = hold(ledger, "A1", is_held=True, by="s17", reason_code="lawsuit", recorded_at=at)
    ...     erase(ledger, "A1", by="s17", reason_code="retention", recorded_at=later)
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: The subject is under legal hold, so nothing is erased. Lift the hold first.
    """
    ref = _ref(ledger, account_id)
    body = {"is_held": is_held, "by": by, "reason_code": reason_code}
    return ledger.append(
        [Record(_name(HOLD, ref, recorded_at), HOLD, body, account_id=account_id)], recorded_at=recorded_at
    )[0]


def erase(
    ledger: Ledger, account_id: str, *, by: str, reason_code: str, recorded_at: datetime, despite: str = ""
) -> StoredRecord:
    """Destroy a subject's key and reference; every record and hash stays, and nothing leads to the person any more.

    The reference of the customer goes with it: other accounts of the customer keep theirs, and get a new one for the customer with their
    next decision.

    Parameters
    ----------
    despite : str
        Why before the end of retention, where a right to be erased goes before the duty to keep; recorded.

    Returns
    -------
    StoredRecord
        Of kind ``erasure``, without the account.

    Raises
    ------
    BadRequestError
        ``bad_request``: no such subject, a legal hold, or records that must still be kept.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from scoring.ledger.verify import verify
    >>> at, later = datetime(2025, 5, 2, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([Record("D1", "decision", {}, account_id="A1")], recorded_at=at)
    ...     _ = erase(ledger, "A1", by="s17", reason_code="retention", recorded_at=later)
    ...     after = ledger.get("D1").account_id, ledger.for_account("A1"), verify(ledger)
    >>> after
    (None, [], [])
    """
    ref = _ref(ledger, account_id)
    if ref in _held(ledger):
        raise BadRequestError(
            "The subject is under legal hold, so nothing is erased. Lift the hold first.", field="account_id"
        )
    records = list(_all_of(ledger, account_id))
    kept_until = max((delete_after(record) for record in records), default=date.min)
    if kept_until >= recorded_at.date() and not despite:
        raise BadRequestError(
            f"Records of this subject are kept until {kept_until}. Erase then, or give the reason why before.",
            field="despite",
            expected=kept_until.isoformat(),
        )
    body = {"account_ref": ref, "by": by, "reason_code": reason_code, "despite_code": despite or None}
    done = ledger.append([Record(_name(ERASURE, ref, recorded_at), ERASURE, body)], recorded_at=recorded_at)[0]
    for each in {ref, *_customers(records)}:
        ledger.subjects.destroy(each)
    return done


def erase_due(ledger: Ledger, on: date, *, by: str, recorded_at: datetime) -> list[StoredRecord]:
    """Erase every subject whose records are all past their retention on a day; those under legal hold stay.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> at, later = datetime(2025, 5, 2, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([Record(f"D{i}", "decision", {}, account_id=f"A{i}") for i in (1, 2)], recorded_at=at)
    ...     _ = hold(ledger, "A1", is_held=True, by="s17", reason_code="lawsuit", recorded_at=at)
    ...     done = erase_due(ledger, later.date(), by="s17", recorded_at=later)
    ...     left = ledger.get("D1").account_id, ledger.get("D2").account_id
    >>> len(done), left
    (1, ('A1', None))
    """
    free = [due.account_ref for due in due_for_erasure(ledger, on) if not due.is_held]
    accounts = ledger.subjects.accounts(free)
    return [
        erase(ledger, accounts[ref], by=by, reason_code="retention", recorded_at=recorded_at)
        for ref in free
        if ref in accounts
    ]


def _customers(records: list[StoredRecord]) -> set[str]:
    """References of customers in the decisions of an account."""
    places = [record.body.get("input", {}).get("position", {}) for record in records if record.kind == "decision"]
    return {str(place["customer_ref"]) for place in places if "customer_ref" in place}


def _all_of(ledger: Ledger, account_id: str) -> Iterator[StoredRecord]:
    before: int | None = None
    while page := ledger.for_account(account_id, limit=200, before=before):
        yield from page
        before = page[-1].seq


def _ref(ledger: Ledger, account_id: str) -> str:
    ref = ledger.subjects.known_ref(account_id)
    if ref is None:
        raise BadRequestError("The ledger knows no such subject, or it was erased already.", field="account_id")
    return ref


def _name(kind: str, ref: str, recorded_at: datetime) -> str:
    return f"{kind}:{sha256(f'{ref} {instant_text(recorded_at)}'.encode()).hexdigest()[:32]}"
