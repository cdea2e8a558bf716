"""What people add to a decision: overrides, requests for explanation or review, outcomes, access. Each is a record about it.

Nothing here changes a decision; it is answered, corrected or questioned by a later record that names it. What a person wrote is sealed
with the subject's key (`scoring.ledger.sealing`); codes, names of roles and dates stay readable.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from scoring.errors import BadRequestError
from scoring.ledger.canonical import canonical
from scoring.ledger.record import Record, StoredRecord, instant_text
from scoring.ledger.sealing import Personal
from scoring.ledger.store import Ledger
from scoring.vocabulary import Channel

DECISION: Final = "decision"
OVERRIDE: Final = "override"
REQUEST: Final = "request"
ANSWER: Final = "answer"
OUTCOME: Final = "outcome"
ACCESS: Final = "access"

PRESSURE: Final = {
    Channel.NONE: 0, Channel.APP_PUSH: 1, Channel.EMAIL: 1, Channel.SMS: 1, Channel.ONLINE_CS: 1, Channel.AI_VOICE: 2,
    Channel.LETTER: 2, Channel.AGENT_CALL: 3, Channel.FIELD_VISIT: 4, Channel.LEGAL_REFERRAL: 5,
}  # fmt: skip
"""How hard a channel presses, a house order of 2026-11: an override to a higher step needs a second person."""


class RequestKind(StrEnum):
    """What a customer may ask about a decision."""

    EXPLANATION = "explanation"
    HUMAN_REVIEW = "human_review"
    REFUSE_AUTOMATED = "refuse_automated"
    CORRECTION = "correction"


DUE_DAYS: Final = {
    RequestKind.EXPLANATION: 15,
    RequestKind.HUMAN_REVIEW: 5,
    RequestKind.REFUSE_AUTOMATED: 1,
    RequestKind.CORRECTION: 15,
}
"""Days to answer, house limits of 2026-11; the law names no number for a decision on collection."""


def override(
    ledger: Ledger,
    decision_id: str,
    *,
    to: Channel,
    by: str,
    reason_code: str,
    recorded_at: datetime,
    reason: str = "",
    second: str | None = None,
    seconds_spent: int | None = None,
    via: str | None = None,
) -> StoredRecord:
    """Somebody does otherwise than was decided, and says why.

    Parameters
    ----------
    to : Channel
        What is done instead.
    by, second : str
        Who decides, and who agrees; references of staff, not names. Two different persons are needed for a harsher channel.
    reason_code : str
        From the house's list.
    reason : str
        In the person's own words; sealed.
    seconds_spent : int, optional
        How long the person looked at the decision.
    via : str, optional
        The system that told it, such as the caller's key: whoever is named, it stands beside them.

    Raises
    ------
    BadRequestError
        ``bad_request``: no reason, nothing changes, or one person alone for a harsher channel.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> decided = Record("D1", "decision", {"choice": {"channel": "sms"}}, account_id="A1")
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([decided], recorded_at=at)
    ...     done = override(ledger, "D1", to=Channel.NONE, by="s17", reason_code="illness", reason="In hospital.", recorded_at=at)
    ...     opened = ledger.opened(done)
    >>> done.body["to"], "hospital" in done.text, opened["reason"]
    ('none', False, 'In hospital.')
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([decided], recorded_at=at)
    ...     override(ledger, "D1", to=Channel.AGENT_CALL, by="s17", reason_code="no_answer", recorded_at=at)
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: From sms to agent_call is harsher, so a second person must agree. Name one who is not s17.
    """
    decision = decision_of(ledger, decision_id)
    decided = Channel(decision.body["choice"]["channel"])
    if not reason_code.strip() or not by.strip():
        raise BadRequestError("An override needs a person and a reason code.", field="reason_code", got=reason_code)
    if to == decided:
        raise BadRequestError(f"The decision already says {to}; there is nothing to override.", field="to", got=str(to))
    if PRESSURE[to] > PRESSURE[decided] and (
        second is None or second.strip().casefold() in ("", by.strip().casefold())
    ):
        raise BadRequestError(
            f"From {decided} to {to} is harsher, so a second person must agree. Name one who is not {by}.",
            field="second",
            got=second,
        )
    body = {
        "from": str(decided), "to": str(to), "by": by, "second": second, "reason_code": reason_code,
        "reason": Personal(reason) if reason else None, "seconds_spent": seconds_spent,
        **({} if via is None else {"via": via}),
    }  # fmt: skip
    return _about(ledger, decision, OVERRIDE, body, recorded_at)


def request(
    ledger: Ledger, decision_id: str, kind: RequestKind, *, received_on: date, recorded_at: datetime, text: str = ""
) -> StoredRecord:
    """A customer asks for something; the record states by when it must be answered.

    A refused automated decision asks for a person and for nothing else: priority and offers stay as they were, and the record says so.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> decided = Record("D1", "decision", {"choice": {"channel": "sms"}}, account_id="A1")
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([decided], recorded_at=at)
    ...     asked = request(ledger, "D1", RequestKind.HUMAN_REVIEW, received_on=date(2025, 5, 2), recorded_at=at)
    ...     waiting = [record.record_id for record in open_requests(ledger)]
    ...     _ = answer(ledger, asked.record_id, by="s17", result="kept", recorded_at=at)
    ...     after = open_requests(ledger)
    >>> asked.body["due_on"], waiting == [asked.record_id], after
    ('2025-05-07', True, [])
    """
    decision = decision_of(ledger, decision_id)
    body = {
        "request": str(kind),
        "received_on": received_on.isoformat(),
        "due_on": (received_on + timedelta(days=DUE_DAYS[kind])).isoformat(),
        "text": Personal(text) if text else None,
        "keeps_priority_and_offers": True,
    }
    return _about(ledger, decision, REQUEST, body, recorded_at)


def answer(
    ledger: Ledger, request_id: str, *, by: str, result: str, recorded_at: datetime, text: str = ""
) -> StoredRecord:
    """The answer to a request, by a person; ``result`` is a code such as ``kept`` or ``changed``."""
    asked = ledger.get(request_id)
    if asked.kind != REQUEST:
        raise BadRequestError(
            f"Record {request_id} is no request but of kind {asked.kind}.", field="request_id", got=asked.kind
        )
    body = {"by": by, "result": result, "text": Personal(text) if text else None}
    return _about(ledger, asked, ANSWER, body, recorded_at)


def outcome(
    ledger: Ledger, decision_id: str, facts: dict[str, Any], *, recorded_at: datetime, note: str = ""
) -> StoredRecord:
    """What came of a decision: a contact, a payment, a promise; codes and amounts, and a sealed note."""
    body = {**facts, "note": Personal(note) if note else None}
    return _about(ledger, decision_of(ledger, decision_id), OUTCOME, body, recorded_at)


def access(ledger: Ledger, decision_id: str, *, by: str, purpose: str, recorded_at: datetime) -> StoredRecord:
    """Somebody looked at a decision or took it out; every look is a record of its own."""
    body = {"by": by, "purpose": purpose, "at": instant_text(recorded_at)}
    return _about(ledger, decision_of(ledger, decision_id), ACCESS, body, recorded_at)


def open_requests(ledger: Ledger, *, due_before: date | None = None) -> list[StoredRecord]:
    """Requests that nobody answered yet, oldest first; ``due_before`` leaves out those that still have time."""
    limit = None if due_before is None else due_before.isoformat()
    asked = [record for record in ledger.records(kind=REQUEST) if limit is None or record.body["due_on"] < limit]
    return [record for record in asked if not any(r.kind == ANSWER for r in ledger.about(record.record_id))]


def refuses_automated(ledger: Ledger, account_id: str) -> bool:
    """Whether a customer refused decisions made by machine alone: then a person decides before anything is done.

    It closes no channel, lowers no priority and takes no offer away; whoever uses it may only put a person in between.
    """
    records = ledger.for_account(account_id, limit=10_000)
    return any(r.kind == REQUEST and r.body["request"] == RequestKind.REFUSE_AUTOMATED for r in records)


def decision_of(ledger: Ledger, decision_id: str) -> StoredRecord:
    """The decision of an id; refused for records of other kinds."""
    found = ledger.get(decision_id)
    if found.kind != DECISION:
        raise BadRequestError(
            f"Record {decision_id} is no decision but of kind {found.kind}. Name the decision.",
            field="decision_id",
            got=found.kind,
        )
    return found


def _about(ledger: Ledger, about: StoredRecord, kind: str, body: dict[str, Any], recorded_at: datetime) -> StoredRecord:
    """Write a record about another; the same content about the same record at the same instant is the same record."""
    if about.account_id is None:
        body = {
            name: None if isinstance(value, Personal) else value for name, value in body.items()
        }  # erased: nothing new
    seen = {name: value.text if isinstance(value, Personal) else value for name, value in body.items()}
    named = [
        kind,
        about.record_id,
        instant_text(recorded_at),
        {n: v for n, v in seen.items() if n not in ("reason", "text", "note")},
    ]
    record_id = f"{kind}:{sha256(canonical({'': named})).hexdigest()[:32]}"
    record = Record(record_id, kind, body, account_id=about.account_id, as_of=about.as_of, about=about.record_id)
    return ledger.append([record], recorded_at=recorded_at)[0]
