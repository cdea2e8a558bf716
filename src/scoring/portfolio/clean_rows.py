"""One account's rows, read and checked without a database: columns of plain values where nothing at all is wrong.

The data check and the reader of inline tables say what is wrong, in SQL and in words, and take a tenth of a second for one account. Nearly
every history in a request is clean. So here the same contracts are read the other way round: is every rule kept? The answer is the columns,
or None for whatever is not plainly in order; then the caller goes the long way, which words the refusal or accepts. Accepting here what the
long way refuses would be a defect; a property test plants every fault and looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any

from scoring.portfolio.clean_values import MOST_ROWS, UnclearError, midnight, read_column
from scoring.portfolio.contracts import Column, TableContract, contracts
from scoring.portfolio.leakage import EXPECTED_WINDOWS

Columns = dict[str, list[Any]]
"""A table as one list per contract column: days as ``date``, instants as UTC ``datetime`` without zone, None where nothing is."""
Rows = Sequence[Mapping[str, Any]]


def clean_columns(contract: TableContract, rows: Rows) -> Columns | None:
    """The rows of one table as columns, if every value and every row keeps the contract's rules.

    Parameters
    ----------
    rows : sequence of mappings
        As `scoring.portfolio.inline.inline_table` takes them.

    Returns
    -------
    dict of column name to list, or None
        Every column of the contract; None where anything is not plainly in order.

    Examples
    --------
    >>> row = {"customer_id": "C1", "month_on": "2025-03-01", "inflow_cents": 250_000}
    >>> clean_columns(contracts()["inflows"], [row])["month_on"]
    [datetime.date(2025, 3, 1)]
    >>> clean_columns(contracts()["inflows"], [row | {"inflow_cents": -1}]) is None
    True
    """
    plan = _plan(contract.table)
    if not rows:
        return {name: [] for name in plan.names}
    if not set(map(type, rows)) <= {dict}:
        return None
    try:
        named = set().union(*rows)
        if not plan.required <= named <= plan.names:
            return None
        columns = {
            column.name: read_column(column, _values(rows, column.name)) if column.name in named else [None] * len(rows)
            for column in plan.columns
        }
        _refuse_rows(plan, columns)
    except (TypeError, ValueError, OverflowError):  # UnclearError is a ValueError
        return None
    return columns


def clean_history(tables: Mapping[str, Rows]) -> dict[str, Columns] | None:
    """The tables of one account as columns, if nothing in them and nothing between them is out of order.

    Parameters
    ----------
    tables : mapping of contract name to rows
        One row in ``accounts``; every other row names the same account, or the same customer.

    Returns
    -------
    dict of table name to columns, or None
        None where anything is not plainly in order.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST
    >>> clean_history(SMALLEST)["payments"]["paid_at"]
    [datetime.datetime(2025, 4, 1, 1, 0)]
    >>> clean_history(SMALLEST | {"accounts": [SMALLEST["accounts"][0] | {"opened_on": "2025-03-06"}]}) is None
    True
    """
    if any(contract.required and name not in tables for name, contract in contracts().items()):
        return None
    if sum(map(len, tables.values())) > MOST_ROWS:
        return None
    columns: dict[str, Columns] = {}
    for name, rows in tables.items():
        found = clean_columns(contracts()[name], rows) if name in contracts() else None
        if found is None:
            return None
        columns[name] = found
    account = columns["accounts"]
    if len(account["account_id"]) != 1 or not columns["statements"]["account_id"]:
        return None
    [opened_on] = account["opened_on"]
    is_whole = all(_is_of(account, contracts()[name], table, opened_on) for name, table in columns.items())
    return columns if is_whole else None


def are_clean_together(histories: Sequence[Mapping[str, Columns]]) -> bool:
    """Whether nothing is wrong between accounts that each are clean: no key of one occurs in another's rows.

    The canary for statuses that know the future compares accounts, so as many as it needs are not judged here.

    >>> from scoring.portfolio.reading import SMALLEST
    >>> other = {name: [row | {"account_id": "A2"} for row in rows] for name, rows in SMALLEST.items()}
    >>> are_clean_together([clean_history(SMALLEST), clean_history(other)])  # both have a payment P1
    False
    """
    if len(histories) == 1:
        return True
    reported = sum(None in history["statements"]["minimum_due_cents"] for history in histories)
    if reported >= EXPECTED_WINDOWS:
        return False
    for name, contract in contracts().items():
        if len(contract.key) == 1 and contract.has("account_id"):
            keys = [key for history in histories if name in history for key in history[name][contract.key[0]]]
            if len(set(keys)) < len(keys):
                return False
    return True


def _is_of(account: Columns, contract: TableContract, table: Columns, opened_on: date) -> bool:
    """Whether rows are the account's own (no orphans) and none happened before it was opened."""
    key = "account_id" if contract.has("account_id") else "customer_id"
    if not set(table[key]) <= set(account[key]):
        return False
    if not contract.starts_with_account or contract.event_time is None or not table[key]:
        return True
    earliest = min(table[contract.event_time])
    # A day of tolerance where the event is an instant, as in the data check: opened_on is a local day.
    if isinstance(earliest, datetime):
        return earliest >= midnight(opened_on) - timedelta(days=1)
    return bool(earliest >= opened_on)


# --- what a contract asks of a table, prepared once ---


@dataclass(frozen=True)
class _Plan:
    """A contract's rules in the shape in which they are asked here."""

    contract: TableContract
    names: frozenset[str]
    required: frozenset[str]
    columns: tuple[Column, ...]


@cache
def _plan(table: str) -> _Plan:
    contract = contracts()[table]
    columns = tuple(contract.columns.values())
    required = frozenset(column.name for column in columns if column.required)
    return _Plan(contract, frozenset(contract.columns), required, columns)


def _refuse_rows(plan: _Plan, columns: Columns) -> None:
    """The rules about one row, and about the rows of a table among each other."""
    contract = plan.contract
    for first, second in contract.order:
        _refuse_order(contract, first, second, columns)
    for name, needed in contract.needs.items():
        if any(one is not None and other is None for one, other in zip(columns[name], columns[needed], strict=True)):
            raise UnclearError
    keys = [columns[name] for name in contract.key]
    if len(set(zip(*keys, strict=True))) < len(keys[0]):
        raise UnclearError
    if contract.no_overlap is not None:
        periods = contract.no_overlap
        _refuse_overlaps([columns[name] for name in periods.by], columns[periods.start], columns[periods.end])


def _refuse_order(contract: TableContract, first: str, second: str, columns: Columns) -> None:
    """A time that lies after one it should lie before; by more than a day where only one is an instant."""
    kinds = contract.columns[first].type, contract.columns[second].type
    slack = timedelta(days=0 if kinds[0] == kinds[1] else 1 if kinds[0] == "date" else 2)
    for one, other in zip(columns[first], columns[second], strict=True):
        if one is not None and other is not None:
            late = one > other if not slack else midnight(one) > midnight(other) + slack
            if late:
                raise UnclearError


def _refuse_overlaps(by: list[list[Any]], starts: list[datetime], ends: list[datetime | None]) -> None:
    """A period that begins while an earlier one of the same kind still holds."""
    forever = datetime.max  # noqa: DTZ901  instants are UTC without zone
    holds_until: dict[tuple[Any, ...], datetime] = {}
    periods = [(start, end or forever, kind) for *kind, start, end in zip(*by, starts, ends, strict=True)]
    for start, end, kind in sorted(periods, key=lambda period: period[:2]):
        last = holds_until.get(tuple(kind))
        if last is not None and last > start:
            raise UnclearError
        holds_until[tuple(kind)] = end if last is None else max(end, last)


def _values(rows: Rows, name: str) -> list[Any]:
    """What each row says; nearly always every row says something, and then this takes half the time."""
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        return [row.get(name) for row in rows]
