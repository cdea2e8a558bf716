"""Outcomes told during the day: kept once, recorded in the ledger, and the account decided again before the answer is given.

The order makes a cut at any point harmless: the event first, then the ledger's records in one transaction, then the new decision for the
queues. Told again under the same key, everything that is there stays and the rest is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scoring.errors import BadRequestError, NotReadyError, PortfolioError, ScoringError, UnknownDecisionError
from scoring.ledger.human import OUTCOME
from scoring.ledger.record import Record
from scoring.ledger.sealing import Personal
from scoring.ledger.store import Ledger
from scoring.portfolio.checking import check
from scoring.portfolio.clean_rows import clean_history
from scoring.portfolio.contracts import TableContract, contracts
from scoring.portfolio.reading import portfolio_from_tables
from serving.deciding import Decided
from serving.desk import Desk, StaleDataError, there
from serving.edge import status_of
from serving.state.events import Kept, Told, keep_event
from serving.told import is_work
from serving.wire import Outcome

TABLE_OF: Final = {
    "contact": "contacts",
    "payment": "payments",
    "promise": "promises",
    "standing": "standings",
    "consent": "consents",
}
SETTLED: Final = {"statement_on": "1950-01-02", "due_on": "1950-01-03", "balance_cents": 0, "minimum_due_cents": 0}
"""A statement of an account without debt: a row is checked beside the least that is a portfolio."""
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
    latest = max(kept.seq, today.latest(told.account_id), 0 if found is None else found.event_seq)
    if found is not None and found.event_seq == latest and is_recorded(ledger, record):  # told before, and all done
        return _answer(kept, record, found.decision, None)
    decided, refusal = _decided(desk, told.account_id, kept.recorded_at)
    others = _others_decided(desk, kept)
    made = [*(one for _, one in others.values()), *([] if decided is None else [decided])]
    ledger.append([record, *(each for one in made for each in one.records)], recorded_at=kept.recorded_at)
    for account_id, (event_seq, one) in others.items():
        desk.keep_again(account_id, one, event_seq)
    if decided is None:
        return _answer(kept, record, None, refusal)
    again = desk.keep_again(told.account_id, decided, latest, is_worked=is_work(told.table, told.row))
    return _answer(kept, record, again.decision, None)


def told_on_stale(desk: Desk, now: datetime) -> bool:
    """Whether the portfolio is older than it may be; what happened is kept even where nothing is answered from it."""
    try:
        return desk.is_stale(now)
    except StaleDataError:
        return True


def is_recorded(ledger: Ledger, record: Record) -> bool:
    """Whether the ledger holds a record: a later event of the account may have been decided while this one's record was cut off."""
    try:
        ledger.get(record.record_id)
    except UnknownDecisionError:
        return False
    return True


def _others_decided(desk: Desk, kept: Kept) -> dict[str, tuple[int, Decided]]:
    """The customer's other accounts decided again, where an event is about the person, and after which event; not those that cannot be."""
    assert desk.today is not None
    latest = {name: max(kept.seq, desk.today.latest(name)) for name in desk.today.others_changed(kept.told)}
    found = {name: (seq, _decided(desk, name, kept.recorded_at)[0]) for name, seq in latest.items()}
    return {name: (seq, decided) for name, (seq, decided) in found.items() if decided is not None}


def _decided(desk: Desk, account_id: str, now: datetime) -> tuple[Decided | None, str | None]:
    """An account decided again, or the code of why it cannot be decided."""
    try:
        desk.is_stale(now)  # refuses where nothing may be answered from old data
        return desk.decide_again(account_id, now), None
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


def told_of(desk: Desk, outcome: Outcome, now: datetime) -> Told:
    """An outcome as an event of a known account.

    Raises
    ------
    BadRequestError, PortfolioError, UnknownAccountError
        The row does not fit its contract, lies in the future, or is of an account that is not there.
    """
    table = TABLE_OF[outcome.kind]
    if outcome.permit_id is not None and table != "contacts":
        raise BadRequestError(
            f"Only a contact uses a permit, and this is a {outcome.kind}. Leave permit_id out.", field="permit_id"
        )
    contract, row = contracts()[table], outcome.row
    account_id = row.get("account_id")
    if not isinstance(account_id, str) or not 0 < len(account_id) <= 200:
        raise BadRequestError("The row has no account_id.", field="row.account_id", expected="a text")
    customer_id = there(desk.day).customer_of(account_id)
    _refuse_unknown_columns(table, row)
    _refuse_misfit(desk, table, account_id, customer_id, row)
    happened_at = news_at(contract, row, now)
    for name in (str(contract.event_time), "known_at"):
        if row.get(name) is not None and _instant(row[name]) > now + AHEAD:
            raise BadRequestError(
                f"{name} lies in the future, so it cannot have happened. Check the clock that made it.",
                field=f"row.{name}",
                expected=f"<= {now.isoformat()}",
            )
    kept = {name: _as_kept(contract, name, value) for name, value in row.items()}
    return Told(outcome.key, table, account_id, customer_id, happened_at, kept, outcome.decision_id, outcome.permit_id)


def _as_kept(contract: TableContract, name: str, value: Any) -> Any:
    """A value as it is kept: a whole number of more than 64 bits, such as a payment's, is read as the text that it is."""
    if not isinstance(value, int) or -(2**63) <= value < 2**64:
        return value
    if contract.columns[name].type != "string":
        raise BadRequestError(f"{name} is larger than any real one. Correct it.", field=f"row.{name}")
    return str(value)


def news_at(contract: TableContract, row: Mapping[str, Any], now: datetime) -> datetime:
    """When what a row says happened: the event itself, or what was learned of it later, such as a payment's return.

    >>> paid = {"paid_at": "2026-07-01T03:00:00Z", "reversed_at": "2026-10-01T02:00:00Z"}
    >>> news_at(contracts()["payments"], paid, datetime(2026, 10, 1, 4, tzinfo=UTC)).isoformat()
    '2026-10-01T02:00:00+00:00'
    """
    learned = [_instant(row[name]) for name in contract.learned_later if row.get(name) is not None]
    return max([_instant(row[str(contract.event_time)]), *(instant for instant in learned if instant <= now + AHEAD)])


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
        "account_id": account_id, "customer_id": customer_id, "product": "card", "opened_on": "1950-01-01",
        "credit_limit_cents": 0, "currency": desk.bundle().manifest["currency"],
    }  # fmt: skip
    tables: dict[str, Any] = {"accounts": [card], "statements": [SETTLED | {"account_id": account_id}], "payments": []}
    if clean_history({**tables, table: [dict(row)]}) is not None:
        return
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
