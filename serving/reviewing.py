"""Review over HTTP: overrides, customers' requests, replay; and every look at a decision is itself recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from scoring.errors import BadRequestError
from scoring.ledger.canonical import canonical
from scoring.ledger.human import ACCESS, RequestKind, override, request
from scoring.ledger.record import Record, StoredRecord, instant_text
from scoring.ledger.replay import replay
from scoring.portfolio.clean_values import EARLIEST
from serving.desk import Desk, there
from serving.outcomes import tell
from serving.state.keys import Caller
from serving.wire import CustomerRequest, Outcome, OverrideRequest

NOBODY = "this machine"
"""Who asks where no key is needed."""


def name_of(caller: Caller | None) -> str:
    """How a caller is named in records: by the key's id and role, never by a person."""
    return NOBODY if caller is None else f"key {caller.key_id} ({caller.role})"


def record_access(
    desk: Desk, looked_at: Sequence[StoredRecord], caller: Caller | None, purpose: str, at: datetime
) -> None:
    """Record that decisions were looked at, before they are shown; in one transaction."""
    ledger, by = there(desk.ledger), name_of(caller)
    body = {"by": by, "purpose": purpose, "at": instant_text(at)}
    records = [
        Record(
            f"{ACCESS}:{sha256(canonical({'': [record.record_id, body]})).hexdigest()[:32]}",
            ACCESS,
            body,
            account_id=record.account_id,
            as_of=record.as_of,
            about=record.record_id,
        )
        for record in looked_at
    ]
    if records:
        ledger.append(records, recorded_at=at)


def override_decision(
    desk: Desk, decision_id: str, asked: OverrideRequest, caller: Caller | None, now: datetime
) -> dict[str, Any]:
    """Somebody does otherwise than was decided, and says why."""
    desk.decision(decision_id)
    written = override(
        there(desk.ledger),
        decision_id,
        to=asked.to,
        by=asked.by or name_of(caller),
        second=asked.second,
        reason_code=asked.reason_code,
        reason=asked.reason,
        seconds_spent=asked.seconds_spent,
        via=name_of(caller),
        recorded_at=now,
    )
    return {
        "record_id": written.record_id,
        "decision_id": decision_id,
        "recorded_at": instant_text(written.recorded_at),
        "from": written.body["from"],
        "to": written.body["to"],
    }


def request_about(desk: Desk, decision_id: str, asked: CustomerRequest, now: datetime) -> dict[str, Any]:
    """A customer asks for an explanation, a person, or a correction.

    Who refuses decisions made by machine alone is known to the contact policy from then on, like any standing that is told.
    """
    decided = desk.decision(decision_id)
    account_id = decided.account_id
    refuse_other_days(asked.received_on, decided.as_of, now)
    written = request(
        there(desk.ledger),
        decision_id,
        RequestKind(asked.kind),
        received_on=asked.received_on or now.date(),
        recorded_at=now,
        text=asked.text,
    )
    if asked.kind == "refuse_automated" and account_id is not None and account_id in there(desk.day).row_of:
        tell(desk, refusal_told(account_id, written), now)
    return {
        "record_id": written.record_id,
        "decision_id": decision_id,
        "recorded_at": instant_text(written.recorded_at),
        "kind": str(asked.kind),
        "due_on": written.body["due_on"],
    }


def refusal_told(account_id: str, request: StoredRecord) -> Outcome:
    """A refusal of automated decisions as the standing that it is, told once for each request."""
    row = {"account_id": account_id, "kind": "adm_refused", "from_at": request.recorded_at.isoformat()}
    return Outcome(key=f"refused:{request.record_id}", kind="standing", row=row, decision_id=request.about)


def refuse_other_days(received_on: date | None, decided_on: date | None, now: datetime) -> None:
    """Refuse a day on which nobody can have asked about a decision: the day by which it is answered would be wrong.

    >>> refuse_other_days(date(2026, 10, 1), date(2026, 9, 30), datetime(2026, 10, 1, 23, 30))
    """
    first, last = decided_on or EARLIEST, (now + timedelta(days=1)).date()
    if received_on is not None and not first <= received_on <= last:
        raise BadRequestError(
            "The request must have come between the decision's day and today. Leave `received_on` out for today.",
            field="received_on",
            got=received_on.isoformat(),
            expected=f"{first} to {last}",
        )


def replay_decision(desk: Desk, decision_id: str) -> dict[str, Any]:
    """One decision computed again from its record and the archived bundle."""
    [found] = replay(there(desk.ledger), [decision_id], *desk.archived())
    return found.as_dict()
