"""Outcomes told during the day: kept once, recorded in the ledger, and the account decided again before the answer is given.

The order makes a cut at any point harmless: the event first, then the ledger's records in one transaction, then the new decision for the
queues. Told again under the same key, everything that is there stays and the rest is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scoring.errors import BadRequestError, NotReadyError, PortfolioError, ScoringError
from scoring.ledger.human import OUTCOME
from scoring.ledger.record import Record
from scoring.ledger.sealing import Personal
from scoring.portfolio.checking import check
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import portfolio_from_tables
from serving.deciding import Decided
from serving.desk import Desk, there
from serving.edge import status_of
from serving.state.events import Kept, Told, keep_event, keep_redecision
from serving.today import is_work
from serving.wire import Outcome

TABLE_OF: Final = {
    "contact": "contacts",
    "payment": "payments",
    "promise": "promises",
    "standing": "standings",
    "consent": "consents",
}
AHEAD: Final = timedelta(minutes=10)
"""How far a teller's clock may be ahead of ours."""


def tell(desk: Desk, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Keep one outcome, record it, decide the account again, and say what came of it."""
    state, today, ledger = desk.known_state(), desk.today, there(desk.ledger)
    if state is None or today is None:
        raise NotReadyError("Outcomes need a plan and a state to be kept in. Make a plan first.", field="state")
    told = told_of(desk, outcome, now)
    if outcome.decision_id is not None:
        desk.decision(outcome.decision_id)
    kept = keep_event(state, told, now)
    today.refresh()
    record = outcome_record(kept)
    found = today.redecided().get(told.account_id)
    if found is not None and found.event_seq >= kept.seq:  # told before, and all done
        return _answer(kept, record, found.decision, None)
    decided, refusal = _decided(desk, kept)
    ledger.append([record, *(decided.records if decided else ())], recorded_at=kept.recorded_at)
    if decided is None:
        return _answer(kept, record, None, refusal)
    worked = is_work(told.table, told.row) or was_worked(desk, told.account_id)
    again = decided.again(kept.seq, is_worked=worked)
    keep_redecision(state, told.account_id, desk.plan().run_id, kept.seq, again.body())
    today.refresh()
    return _answer(kept, record, again.decision, None)


def _decided(desk: Desk, kept: Kept) -> tuple[Decided | None, str | None]:
    """The account decided again, or the code of why it cannot be decided."""
    try:
        return desk.decide_again(kept.told.account_id, kept.recorded_at), None
    except ScoringError as error:
        if status_of(error) >= 500:
            raise
        return None, error.code


def _answer(kept: Kept, record: Record, decision: dict[str, Any] | None, refusal: str | None) -> dict[str, Any]:
    return {
        "key": kept.told.key,
        "account_id": kept.told.account_id,
        "recorded_at": kept.recorded_at.isoformat(),
        "record_id": record.record_id,
        "is_new": kept.is_new,
        "decision": decision,
        "not_decided_because": refusal,
    }


def was_worked(desk: Desk, account_id: str) -> bool:
    """Whether an account was contacted since the plan: it stays out of the queues until the next one."""
    found = desk.today.redecided().get(account_id) if desk.today else None
    return found is not None and found.queue_row is None and found.decision["channel"] != "none"


def told_of(desk: Desk, outcome: Outcome, now: datetime) -> Told:
    """An outcome as an event of a known account.

    Raises
    ------
    BadRequestError, PortfolioError, UnknownAccountError
        The row does not fit its contract, lies in the future, or is of an account that is not there.
    """
    table = TABLE_OF[outcome.kind]
    contract, row = contracts()[table], outcome.row
    account_id = row.get("account_id")
    if not isinstance(account_id, str) or not 0 < len(account_id) <= 200:
        raise BadRequestError("The row has no account_id.", field="row.account_id", expected="a text")
    customer_id = there(desk.day).customer_of(account_id)
    _refuse_unknown_columns(table, row)
    _refuse_misfit(desk, table, account_id, customer_id, row)
    happened_at = _instant(row[str(contract.event_time)])
    for name in (str(contract.event_time), "known_at"):
        if row.get(name) is not None and _instant(row[name]) > now + AHEAD:
            raise BadRequestError(
                f"{name} lies in the future, so it cannot have happened. Check the clock that made it.",
                field=f"row.{name}",
                expected=f"<= {now.isoformat()}",
            )
    return Told(
        outcome.key, table, account_id, customer_id, happened_at, dict(row), outcome.decision_id, outcome.permit_id
    )


def _refuse_unknown_columns(table: str, row: Mapping[str, Any]) -> None:
    for name in row:
        if name not in contracts()[table].columns:
            raise BadRequestError(
                f"Table {table} has no column {name[:60]!r}. Remove it, or correct its spelling.",
                field=f"row.{name[:60]}",
                got=name[:60],
                expected=list(contracts()[table].columns),
            )


def _refuse_misfit(desk: Desk, table: str, account_id: str, customer_id: str, row: Mapping[str, Any]) -> None:
    """What the data check calls an error in a portfolio of this row alone is refused."""
    card = {
        "account_id": account_id, "customer_id": customer_id, "product": "card", "opened_on": "1900-01-01",
        "credit_limit_cents": 0, "currency": desk.bundle().manifest["currency"],
    }  # fmt: skip
    tables: dict[str, Any] = {"accounts": [card], "statements": [], "payments": []}
    try:
        small = portfolio_from_tables({**tables, table: [dict(row)]})
    except PortfolioError as error:
        name = (error.field or "").rpartition(".")[2]
        raise PortfolioError(error.message, field=f"row.{name}", got=error.got, expected=error.expected) from error
    try:
        wrong = [one for one in check(small) if one.severity == "error" and one.table == table]
    finally:
        small.connection.close()
    if wrong:
        raise PortfolioError(wrong[0].message, field="row", got=[one.code for one in wrong])


def outcome_record(kept: Kept) -> Record:
    """What the ledger keeps of an outcome, about the decision that was named: codes, amounts, instants; ids of others sealed."""
    told = kept.told
    row = {
        name: Personal(str(value)) if name.endswith(("_id", "_ref")) else value
        for name, value in told.row.items()
        if name != "account_id" and value is not None
    }
    body = {"outcome": told.table, "told_as": Personal(told.key), "permit_id": told.permit_id, "row": row}
    name = hashlib.sha256(told.key.encode()).hexdigest()[:32]
    return Record(
        f"outcome:{name}",
        OUTCOME,
        body,
        account_id=told.account_id,
        as_of=told.happened_at.date(),
        about=told.decision_id,
    )


def _instant(value: Any) -> datetime:
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime):
        raise BadRequestError("An instant is a text like 2025-03-31T09:30:00Z.", field="row")
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
