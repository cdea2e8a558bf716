"""What is read without a database is what the database reads, and nothing is accepted there that the data check refuses."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.portfolio.checking import check
from scoring.portfolio.clean_rows import are_clean_together, clean_columns, clean_history
from scoring.portfolio.contracts import Column, Parent, Periods, TableContract, contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.leakage import EXPECTED_WINDOWS
from scoring.portfolio.reading import Portfolio, portfolio_from_tables
from tests.portfolio.sample_portfolio import sample_tables

Row = dict[str, Any]
Tables = dict[str, list[Row]]
SAMPLE = sample_tables()
SENT = [name for name in SAMPLE if name != "protected"]


def sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def history(place: int) -> Tables:
    """One account of the sample as a caller sends it."""
    account = SAMPLE["accounts"][place]
    tables = {}
    for name in SENT:
        key = "account_id" if contracts()[name].has("account_id") else "customer_id"
        own = [row for row in SAMPLE[name] if row[key] == account[key]]
        tables[name] = [{column: sent(value) for column, value in row.items() if value is not None} for row in own]
    return tables


HISTORIES = [history(place) for place in range(len(SAMPLE["accounts"]))]


def named(tables: Tables, number: int) -> Tables:
    """The same history under ids that no other has."""
    ids = ("account_id", "customer_id", "payment_id", "contact_id", "promise_id", "assignment_id")
    return {
        name: [{key: f"{value}#{number}" if key in ids else value for key, value in row.items()} for row in rows]
        for name, rows in tables.items()
    }


def merged(histories: list[Tables]) -> Tables:
    return {name: [row for tables in histories for row in tables[name]] for name in SENT}


def errors(portfolio: Portfolio) -> list[str]:
    return [
        f"{found.code} {found.table} {found.examples}" for found in check(portfolio) if found.severity == "error"
    ] + [str(portfolio.ignored) for _ in portfolio.ignored]


def stored(portfolio: Portfolio, name: str) -> list[tuple[Any, ...]]:
    names = ", ".join(contracts()[name].columns)
    return portfolio.connection.execute(f"SELECT {names} FROM {name}").fetchall()


def test_every_account_of_the_sample_is_clean_and_read_as_the_database_reads_it() -> None:
    read = [clean_history(tables) for tables in HISTORIES]

    portfolio = portfolio_from_tables(merged(HISTORIES) | {"inflows": inflows_once()})
    assert errors(portfolio) == []
    for name in SENT:
        columns = [account[name] for account in read if account is not None]
        rows = [row for table in columns for row in zip(*table.values(), strict=True)]
        assert len(columns) == len(HISTORIES)
        assert sorted(set(rows), key=repr) == sorted(stored(portfolio, name), key=repr)


def inflows_once() -> list[Row]:
    return [{key: sent(value) for key, value in row.items() if value is not None} for row in SAMPLE["inflows"]]


# --- every kind of fault ---

HUGE = 10**30
FAULTS: dict[str, Any] = {
    "date": ["2025-02-30", "31/12/2025", "", 5, True, "2025-03-31T01:00:00", "0001-01-01", "9999-12-31", None, []],
    "timestamp": ["2025-03-31T25:00:00", "soon", "", 7, "2025-03-31", "2031-01-01T00:00:00+14:00", None, {}, math.nan],
    "int64": [-1, 0.5, 2.0, "10", True, HUGE, -HUGE, 10**12, math.nan, math.inf, None, [1], 1e300],
    "float64": [-1, 2.5, math.nan, math.inf, -math.inf, "0.5", True, HUGE**11, None],
    "string": ["", "gift", 7, 7.0, True, None, ["sms"], "sms,pigeon", "sms,", "sms\n", "\ud800", "a" * 300, "SMS"],
    "bool": [0, 1, "true", None, "yes"],
}


def with_value(draw: Random, rows: list[Row], contract: TableContract) -> None:
    """One value that is odd, if not wrong."""
    row, column = draw.choice(rows), draw.choice(list(contract.columns.values()))
    row[column.name] = draw.choice(FAULTS[column.type])


def with_moved_time(draw: Random, rows: list[Row], contract: TableContract) -> None:
    """One day or instant that is earlier or later, so that an order may break."""
    row = draw.choice(rows)
    times = [name for name in row if name.endswith(("_on", "_at")) and isinstance(row[name], str)]
    name = draw.choice(times)
    days = timedelta(days=draw.choice((-9000, -40, -3, -2, -1, 1, 2, 3, 40, 400)))
    row[name] = (type_of(contract.columns[name]).fromisoformat(row[name]) + days).isoformat()


def with_optional_time(draw: Random, rows: list[Row], contract: TableContract) -> None:
    """An instant that says something ended, was returned or was known, near the event."""
    row = draw.choice(rows)
    times = [name for name, column in contract.columns.items() if column.type == "timestamp" and column.nullable]
    if times and contract.event_time is not None:
        happened = datetime.fromisoformat(str(row[contract.event_time]))
        row[draw.choice(times)] = (happened + timedelta(hours=draw.choice((-49, -25, -1, 0, 1, 999)))).isoformat()


def type_of(column: Column) -> type[date]:
    return date if column.type == "date" else datetime


def with_second_row(draw: Random, rows: list[Row], contract: TableContract) -> None:
    """A row again, as it is or with another key or beginning."""
    row = dict(draw.choice(rows))
    rows.insert(draw.randint(0, len(rows)), row)
    if draw.random() < 0.7:
        name = draw.choice([*contract.key, contract.event_time or contract.key[0]])
        row[name] = f"{row[name]}-again" if name.endswith("_id") else row[name]
        if name.endswith(("_on", "_at")):
            with_moved_time(draw, [row], contract)


def without_value(draw: Random, rows: list[Row], contract: TableContract) -> None:
    """One value, or a whole column, that was not sent."""
    name = draw.choice(list(contract.columns))
    for row in draw.choice((rows, [draw.choice(rows)])):
        row.pop(name, None)


def with_other_column(draw: Random, rows: list[Row], contract: TableContract) -> None:
    """A column nobody knows, or the row of somebody else."""
    row = draw.choice(rows)
    row[draw.choice(("amount", "account_id", "customer_id"))] = draw.choice(("A9999", None, 5))


MUTATIONS: list[Callable[[Random, list[Row], TableContract], None]] = [
    with_value,
    with_moved_time,
    with_optional_time,
    with_second_row,
    without_value,
    with_other_column,
]


def mutant(draw: Random, number: int) -> Tables:
    """A clean history with something changed in one or two tables."""
    tables = named(draw.choice(HISTORIES), number)
    for table in draw.sample([name for name in SENT if tables[name]], draw.choice((1, 1, 1, 2))):
        draw.choice(MUTATIONS)(draw, tables[table], contracts()[table])
    return tables


def accepted(mutants: list[Tables]) -> list[Tables]:
    """The histories in one currency that are plainly in order, and together too."""
    found, columns = [], []
    taken: set[tuple[str, Any]] = set()
    for tables in mutants:
        read = clean_history(tables)
        if read is None or read["accounts"]["currency"] != ["CNY"]:
            continue
        keys = {
            (name, key)
            for name, contract in contracts().items()
            if len(contract.key) == 1 and name in read
            for key in read[name][contract.key[0]]
        }
        if keys.isdisjoint(taken):
            taken |= keys
            found.append(tables)
            columns.append(read)
    assert are_clean_together(columns)
    return found


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_accepted_the_data_check_accepts_too_whatever_was_changed(seed: int) -> None:
    draw = Random(seed)

    clean = accepted([mutant(draw, number) for number in range(200)])

    assert 20 < len(clean) < 180
    assert errors(portfolio_from_tables(merged(clean))) == []


@pytest.mark.parametrize("table", SENT)
def test_each_odd_value_is_read_as_the_database_reads_it_or_left_to_it(table: str) -> None:
    contract = contracts()[table]
    tables = next(tables for tables in HISTORIES if tables[table])
    for column in contract.columns.values():
        for value in FAULTS[column.type]:
            rows = [dict(row) for row in tables[table]]
            rows[-1][column.name] = value
            read = clean_columns(contract, rows)
            if read is not None:
                whole = inline_table(contract, rows)
                assert {name: read[name] for name in whole.column_names} == whole.to_pydict(), (column.name, value)


def changed(table: str, place: int = 0, **values: Any) -> Tables:
    tables = {name: [dict(row) for row in rows] for name, rows in HISTORIES[2].items()}
    tables[table][place] |= values
    return tables


PAID_AT = HISTORIES[2]["payments"][0]["paid_at"]
CUT_ON = HISTORIES[2]["statements"][0]["statement_on"]
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "tables",
    [
        changed("payments", kind="gift"),
        changed("payments", amount_cents=-1),
        changed("payments", amount_cents=None),
        changed("payments", amount_cents="ten"),
        changed("payments", amount=5),
        changed("payments", account_id="A9999"),
        changed("payments", payment_id=HISTORIES[2]["payments"][1]["payment_id"]),
        changed("payments", reversed_at=(datetime.fromisoformat(PAID_AT) - DAY).isoformat()),
        changed("payments", reversal_known_at="2025-03-01T00:00:00"),
        changed("statements", due_on=(date.fromisoformat(CUT_ON) - DAY).isoformat()),
        changed("statements", due_on=None),
        changed("accounts", product=""),
        changed("accounts", channel_addresses="sms,pigeon"),
        changed("accounts", opened_on=(date.fromisoformat(CUT_ON) + DAY).isoformat()),
        changed("accounts") | {"statements": []},
        changed("accounts") | {"debts": []},
        {name: rows for name, rows in HISTORIES[2].items() if name != "payments"},
    ],
)
def test_a_fault_that_the_data_check_knows_is_never_accepted(tables: Tables) -> None:
    assert clean_history(tables) is None


def flags(*periods: tuple[str, str | None]) -> Tables:
    account_id = HISTORIES[2]["accounts"][0]["account_id"]
    rows = [{"account_id": account_id, "kind": "illness", "from_at": start} for start, _ in periods]
    return HISTORIES[2] | {
        "standings": [
            row if end is None else row | {"until_at": end} for row, (_, end) in zip(rows, periods, strict=True)
        ]
    }


def test_periods_may_touch_but_not_overlap() -> None:
    first = ("2025-01-01", "2025-02-01")

    assert clean_history(flags(first, ("2025-02-01", None))) is not None
    assert clean_history(flags(first, ("2025-01-31", None))) is None
    assert clean_history(flags(("2025-01-01", None), ("2025-02-01", "2025-03-01"))) is None
    assert clean_history(flags(("2025-01-01", "2025-06-01"), ("2025-02-01", "2025-03-01"))) is None


def test_a_promise_for_the_same_local_day_is_in_order_though_utc_is_a_day_ahead() -> None:
    tables = next(tables for tables in HISTORIES if tables["promises"])
    due_on = date.fromisoformat(tables["promises"][0]["due_on"])

    def made(days: int, hours: int) -> Tables:
        at = datetime(due_on.year, due_on.month, due_on.day) + timedelta(days=days, hours=hours)
        return tables | {"promises": [tables["promises"][0] | {"made_at": at.isoformat()}]}

    assert clean_history(made(1, 23)) is not None
    assert clean_history(made(2, 1)) is None


def test_so_many_reported_statuses_as_the_canary_needs_are_not_judged_alone() -> None:
    rows = [row | {"minimum_due_cents": None, "reported_dpd": 0} for row in HISTORIES[2]["statements"]]
    reported = HISTORIES[2] | {"statements": rows}
    read = [clean_history(named(reported, number)) for number in range(EXPECTED_WINDOWS)]
    clean = [account for account in read if account is not None]

    assert are_clean_together(clean[1:])
    assert not are_clean_together(clean)


def test_no_rule_of_a_contract_is_unknown_here() -> None:
    """A rule that is added to the contracts has to be thought of in `scoring.portfolio.clean_rows` too."""
    assert {field.name for field in fields(TableContract)} == {
        "table", "one_row_per", "required", "key", "columns", "event_time", "months_until_known", "parent", "starts_with_account",
        "order", "needs", "no_overlap", "learned_later", "repeats", "audit_only",
    }  # fmt: skip
    assert {field.name for field in fields(Column)} == {
        "name", "type", "meaning", "required", "nullable", "minimum", "maximum", "allowed", "allowed_each",
    }  # fmt: skip
    assert {field.name for field in (*fields(Parent), *fields(Periods))} == {"table", "column", "by", "start", "end"}
    parents = {contract.parent for contract in contracts().values() if contract.parent is not None}
    assert parents == {Parent("accounts", "account_id"), Parent("accounts", "customer_id")}
