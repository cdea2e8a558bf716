"""Review over HTTP: overrides, customers' requests, replay; and every look at a decision is itself recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from scoring.ledger.canonical import canonical
from scoring.ledger.human import ACCESS, RequestKind, override, request
from scoring.ledger.record import Record, StoredRecord, instant_text
from scoring.ledger.replay import replay
from serving.desk import Desk, there
from serving.state.keys import Caller
from serving.wire import CustomerRequest, OverrideRequest

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
    """A customer asks for an explanation, a person, or a correction."""
    desk.decision(decision_id)
    written = request(
        there(desk.ledger),
        decision_id,
        RequestKind(asked.kind),
        received_on=asked.received_on or now.date(),
        recorded_at=now,
        text=asked.text,
    )
    return {
        "record_id": written.record_id,
        "decision_id": decision_id,
        "recorded_at": instant_text(written.recorded_at),
        "kind": str(asked.kind),
        "due_on": written.body["due_on"],
    }


def replay_decision(desk: Desk, decision_id: str) -> dict[str, Any]:
    """One decision computed again from its record and the archived bundle."""
    [found] = replay(there(desk.ledger), [decision_id], *desk.archived())
    return found.as_dict()
