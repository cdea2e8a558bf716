"""Rules that look at one row at a time, read off the contract; all rules of a table are counted in one scan."""

# ruff: noqa: S608  names in SQL come from the contracts and are quoted.
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import duckdb

from scoring.portfolio.casting import quoted
from scoring.portfolio.contracts import Column, TableContract
from scoring.portfolio.findings import MAX_EXAMPLES, Finding, Severity, key_of


@dataclass(frozen=True, slots=True)
class RowRule:
    """A predicate in SQL that holds for rows at fault, and what to say about them."""

    code: str
    severity: Severity
    fault: str
    message: str


def row_findings(connection: duckdb.DuckDBPyConnection, contract: TableContract, rules: list[RowRule]) -> list[Finding]:
    """One finding per rule that any row breaks: counted in one scan, ids looked up only where there are any.

    >>> from scoring.portfolio.contracts import contracts
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> payments = [SMALLEST["payments"][0] | {"amount_cents": -1}]
    >>> connection = portfolio_from_tables(SMALLEST | {"payments": payments}).connection
    >>> rules = row_rules(contracts()["payments"], date(2025, 4, 1))
    >>> [(f.code, f.examples) for f in row_findings(connection, contracts()["payments"], rules)]
    [('out_of_range', ('P1',))]
    """
    if not rules:
        return []
    counts = ", ".join(f"count(*) FILTER (WHERE {rule.fault})" for rule in rules)
    [found] = connection.execute(f"SELECT {counts} FROM {quoted(contract.table)}").fetchall()
    return [
        Finding(rule.code, rule.severity, contract.table, rows, _examples(connection, contract, rule), rule.message)
        for rule, rows in zip(rules, found, strict=True)
        if rows
    ]


def _examples(connection: duckdb.DuckDBPyConnection, contract: TableContract, rule: RowRule) -> tuple[str, ...]:
    [(examples,)] = connection.execute(
        f"SELECT min({key_of(contract.key)}, {MAX_EXAMPLES}) FROM {quoted(contract.table)} WHERE {rule.fault}"
    ).fetchall()
    return tuple(examples or ())


def row_rules(contract: TableContract, extract_on: date) -> list[RowRule]:
    """Every single-row rule that a contract implies.

    Examples
    --------
    >>> from scoring.portfolio.contracts import contracts
    >>> rules = row_rules(contracts()["inflows"], date(2025, 3, 31))
    >>> sorted({rule.code for rule in rules})
    ['future_row', 'known_before_event', 'missing_value', 'out_of_range']
    """
    rules = [rule for column in contract.columns.values() for rule in _value_rules(contract, column)]
    return [*rules, *_time_rules(contract, extract_on), *_order_rules(contract), *_needs_rules(contract)]


def _value_rules(contract: TableContract, column: Column) -> Iterator[RowRule]:
    name, place = quoted(column.name), f"{contract.table}.{column.name}"
    if not column.nullable:
        empty = f" OR {name} = ''" if column.type == "string" else ""
        yield RowRule(
            "missing_value",
            "error",
            f"({name} IS NULL{empty})",
            f"{place} is empty, but every row needs it ({column.meaning}). Fill it, or leave the row out knowingly.",
        )
    if column.allowed:
        listed = ", ".join(f"'{kind}'" for kind in column.allowed)
        yield RowRule(
            "unknown_kind",
            "error",
            f"{name} NOT IN ({listed})",
            f"{place} holds a kind nobody knows; no rule would treat it. Known: {', '.join(column.allowed)}.",
        )
    if column.allowed_each:
        one = f"({'|'.join(column.allowed_each)})"
        yield RowRule(
            "unknown_kind",
            "error",
            f"NOT regexp_full_match({name}, '({one}(,{one})*)?')",
            f"{place} must list, separated by commas without spaces, some of: {', '.join(column.allowed_each)}.",
        )
    yield from _range_rules(column, name, place)


_OTHER_WAY: Final = "; money that goes the other way has its own kind or column"


def _range_rules(column: Column, name: str, place: str) -> Iterator[RowRule]:
    bounds = [f"{name} < {column.minimum}"] if column.minimum is not None else []
    bounds += [f"{name} > {column.maximum}"] if column.maximum is not None else []
    bounds += [f"NOT isfinite({name})"] if column.type == "float64" else []
    if not bounds:
        return
    is_money = column.name.endswith("_cents")
    least = "any number" if column.minimum is None else f"at least {column.minimum}"
    most = "" if column.maximum is None else f" and at most {column.maximum}"
    yield RowRule(
        "out_of_range",
        "error",
        f"({' OR '.join(bounds)})",
        f"{place} must be {least}{most} and finite. Correct the sign or the unit{_OTHER_WAY if is_money else ''}.",
    )


def _time_rules(contract: TableContract, extract_on: date) -> Iterator[RowRule]:
    end = f"TIMESTAMP '{extract_on + timedelta(days=1)}'"
    times = [time for time in (contract.event_time, "known_at") if time is not None and contract.has(time)]
    if times:
        yield RowRule(
            "future_row",
            "error",
            f"({' OR '.join(f'{quoted(time)} >= {end}' for time in times)})",
            f"{contract.table} has rows dated after the extract day {extract_on}. They can never be known by a day "
            f"that is asked for; correct their {' or '.join(times)}, or the extract_on in portfolio.toml.",
        )
    if contract.event_time is not None and contract.has("known_at"):
        # A day of tolerance: a day (_on) is a local one, known_at is UTC, and clocks of two systems differ.
        yield RowRule(
            "known_before_event",
            "warning",
            f"known_at + INTERVAL 1 DAY < {quoted(contract.event_time)}",
            f"{contract.table}.known_at lies more than a day before {contract.event_time}: nobody knows an event "
            f"before it happens. The later of the two counts; check how known_at is filled.",
        )


def _order_rules(contract: TableContract) -> Iterator[RowRule]:
    for first, second in contract.order:
        yield RowRule(
            "impossible_order",
            "error",
            _is_after(contract.columns[first], contract.columns[second]),
            f"{contract.table}.{first} lies after {second}, which cannot be. Correct the one that is wrong.",
        )


def _is_after(first: Column, second: Column) -> str:
    """SQL: the first lies after the second; by more than a day where only one is an instant (days are local)."""
    later = quoted(second.name)
    if first.type != second.type:
        later = f"{later} + INTERVAL {1 if first.type == 'date' else 2} DAY"
    return f"{quoted(first.name)} > {later}"


def _needs_rules(contract: TableContract) -> Iterator[RowRule]:
    for name, needed in contract.needs.items():
        yield RowRule(
            "incomplete",
            "error",
            f"{quoted(name)} IS NOT NULL AND {quoted(needed)} IS NULL",
            f"{contract.table}.{name} is filled, but {needed} is not; the one means nothing without the other. Fill "
            f"{needed}.",
        )
