"""What an event that was told comes to: whom it concerns, when it was known, and how it lies over a customer's rows in the tables.

Nothing is kept here: events and rows go in, and what they say together comes out. `serving.today` keeps the day's events by these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa

from scoring.policy.facts import OPT_OUT
from scoring.policy.portfolio_facts import PERSON_FLAGS
from scoring.portfolio.contracts import TableContract, contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.reading import Portfolio
from serving.state.events import Kept

KNOWN_AT: Final = "known_at"
STANDINGS: Final = "standings"
Rows = list[dict[str, Any]]


def is_work(table: str, row: Mapping[str, Any]) -> bool:
    """Whether an event is a contact that the bank made: it uses a place of its channel.

    >>> is_work("contacts", {"direction": "outbound"}), is_work("payments", {})
    (True, False)
    """
    return table == "contacts" and row.get("direction") == "outbound"


def is_of_person(table: str, row: Mapping[str, Any], watched: Collection[str] = ()) -> bool:
    """Whether an event holds on every account of its customer: a death, a refusal, an opt-out, a standing that the strategy watches.

    >>> is_of_person("standings", {"kind": "adm_refused"}), is_of_person("standings", {"kind": "dispute_open"})
    (True, False)
    >>> is_of_person("standings", {"kind": "hardship"}, watched={"hardship"})
    True
    """
    return row.get("kind") in {"standings": (*PERSON_FLAGS, *watched), "consents": (OPT_OUT,)}.get(table, ())


def known_on(kept: Kept) -> date:
    """The day (UTC) on which the bank knew of an event."""
    known = kept.told.row.get(KNOWN_AT)
    instant = datetime.fromisoformat(known) if isinstance(known, str) else kept.told.happened_at
    instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max(instant, kept.told.happened_at).date()


def held(portfolio: Portfolio, events: Sequence[Kept]) -> set[int]:
    """Numbers of the events whose rows a portfolio has, with whatever they say of their ends: one question for each table."""
    by_table: dict[str, list[Kept]] = defaultdict(list)
    for kept in events:
        if kept.told.table in portfolio.observed:
            by_table[kept.told.table].append(kept)
    connection = portfolio.connection.cursor()
    try:
        return {seq for table, told in by_table.items() for seq in _held_of(connection, contracts()[table], told)}
    finally:
        connection.close()


def _held_of(connection: Any, contract: TableContract, told: Sequence[Kept]) -> list[int]:
    key = tuple(dict.fromkeys(("account_id", *contract.key)))
    rows = [{name: kept.told.row.get(name) for name in (*key, *contract.learned_later)} for kept in told]
    numbers = pa.array([kept.seq for kept in told], pa.int64())
    connection.register("told", inline_table(contract, rows).append_column("seq", numbers))
    is_there = [f'told."{name}" = there."{name}"' for name in key]
    is_there += [f'(told."{name}" IS NULL OR there."{name}" IS NOT NULL)' for name in contract.learned_later]
    asked = f'SELECT DISTINCT seq FROM told JOIN "{contract.table}" AS there ON {" AND ".join(is_there)}'  # noqa: S608 - names of contracts
    return [int(seq) for (seq,) in connection.execute(asked).fetchall()]


def laid_over(tables: Mapping[str, pa.Table], told: list[Kept]) -> dict[str, Any]:
    """Tables with events added; a row that is there already is kept, and learns what the event says of its end.

    Events of a table that was never delivered are left out: one row would make the whole table count as observed.
    """
    added: dict[str, Rows] = defaultdict(list)
    for kept in told:
        if kept.told.table in tables:
            added[kept.told.table].append(kept.told.row)
    return {
        name: _with(contracts()[name], table, added[name]) if name in added else table for name, table in tables.items()
    }


def laid_over_for_rules(tables: Mapping[str, pa.Table], told: list[Kept]) -> dict[str, Any]:
    """The same for what is lawful and what holds an account: a standing that was told counts, also where none were ever delivered."""
    if STANDINGS in tables or all(kept.told.table != STANDINGS for kept in told):
        return laid_over(tables, told)
    return laid_over({**tables, STANDINGS: inline_table(contracts()[STANDINGS], [])}, told)


def _with(contract: TableContract, table: pa.Table, rows: Rows) -> pa.Table:
    fresh = inline_table(contract, [{name: row.get(name) for name in contract.columns} for row in rows]).to_pylist()
    there = {_key(contract, row): row for row in table.to_pylist()}
    for row in fresh:
        old = there.get(_key(contract, row))
        if old is None:
            there[_key(contract, row)] = row
            continue
        learned = {
            name: row[name] for name in contract.learned_later if old.get(name) is None and row[name] is not None
        }
        there[_key(contract, row)] = {**old, **learned}
    return inline_table(contract, list(there.values()))


def _key(contract: TableContract, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in contract.key)
