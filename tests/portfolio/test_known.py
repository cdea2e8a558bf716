"""Nothing that was not known by the end of a day can be seen on that day."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from datetime import date, datetime, timedelta
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import AsOfError, FutureEventError
from scoring.portfolio.contracts import contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.known import attach_known, known_on, unbound_tables
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables

AS_OF = date(2025, 3, 31)
END = datetime(2025, 4, 1)
SQL = {name: ibis.to_sql(table, dialect="duckdb") for name, table in known_on(AS_OF, unbound_tables()).items()}
Rows = list[dict[str, Any]]


CONNECTION = portfolio_from_tables(SMALLEST).connection


def known(**tables: Rows) -> dict[str, list[tuple[Any, ...]]]:
    """The given tables as known on ``AS_OF``, in an order of their own."""
    found = {}
    for name, rows in tables.items():
        CONNECTION.register("given", inline_table(contracts()[name], rows))
        CONNECTION.execute(f"DELETE FROM {name}").fetchall()
        CONNECTION.execute(f"INSERT INTO {name} BY NAME FROM given").fetchall()
        CONNECTION.unregister("given")
        found[name] = sorted(CONNECTION.execute(SQL[name]).fetchall(), key=repr)
    return found


def payment(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {"payment_id": f"P{number}", "account_id": "A1", "amount_cents": 100, "kind": "voluntary"}
    return row | {"paid_at": datetime(2025, 3, 10)} | changes


def test_the_last_microsecond_of_the_day_is_known_and_midnight_is_not():
    last, midnight = END - timedelta(microseconds=1), END

    found = known(payments=[payment(1, paid_at=last), payment(2, paid_at=midnight)])["payments"]

    assert [row[0] for row in found] == ["P1"]


def test_what_was_posted_later_is_not_known_yet():
    assert known(payments=[payment(known_at=END)])["payments"] == []


def test_an_event_in_the_future_is_not_history_even_if_announced():
    assert known(payments=[payment(paid_at=END, known_at=datetime(2025, 3, 1))])["payments"] == []


def test_a_statement_is_known_on_its_day_though_it_falls_due_later():
    statement = dict(SMALLEST["statements"][0]) | {"statement_on": AS_OF, "due_on": date(2025, 4, 20)}

    assert len(known(statements=[statement])["statements"]) == 1


def test_a_month_of_inflow_is_known_when_the_month_is_over():
    inflows = [
        {"customer_id": "C1", "month_on": day, "inflow_cents": 5} for day in (date(2025, 2, 1), date(2025, 3, 1))
    ]

    assert [row[1] for row in known(inflows=inflows)["inflows"]] == [date(2025, 2, 1)]


def test_a_return_is_hidden_until_the_bank_knew_of_it():
    returned = payment(reversed_at=datetime(2025, 3, 20), reversal_known_at=END)

    [row] = known(payments=[returned])["payments"]

    assert row[5:7] == (None, None)


def test_a_return_that_is_known_leaves_the_payment_there_with_its_day():
    returned = payment(reversed_at=datetime(2025, 3, 20), reversal_known_at=datetime(2025, 3, 21))

    [row] = known(payments=[returned])["payments"]

    assert row[5:7] == (datetime(2025, 3, 20), datetime(2025, 3, 21))


def test_a_return_without_a_known_instant_is_known_when_it_happens():
    rows = [payment(1, reversed_at=END), payment(2, reversed_at=END - timedelta(seconds=1))]

    assert [row[5] for row in known(payments=rows)["payments"]] == [None, END - timedelta(seconds=1)]


def test_the_end_of_a_flag_is_hidden_until_it_happens():
    flag = {"account_id": "A1", "kind": "dispute_open", "from_at": datetime(2025, 3, 1)}
    rows = [flag | {"until_at": END}, flag | {"kind": "illness", "until_at": datetime(2025, 3, 9)}]

    assert [row[3] for row in known(standings=rows)["standings"]] == [None, datetime(2025, 3, 9)]


def test_protected_is_never_returned():
    assert "protected" not in known_on(AS_OF, unbound_tables())


@pytest.mark.parametrize("as_of", [datetime(2025, 3, 31, 12), "2025-03-31", None])
def test_only_a_day_is_an_as_of(as_of: Any):
    with pytest.raises(AsOfError, match="must be a day"):
        known_on(as_of, unbound_tables())


def test_a_bound_day_gives_the_rows_of_a_written_day():
    portfolio = portfolio_from_tables(dict(SMALLEST) | {"payments": [payment(1), payment(2, paid_at=END)]})
    day = ibis.param("date")

    bound = known_on(day, portfolio.tables())["payments"].to_pyarrow(params={day: AS_OF})

    assert bound.to_pylist() == known_on(AS_OF, portfolio.tables())["payments"].to_pyarrow().to_pylist()
    assert bound.num_rows == 1


def _return(returned: tuple[datetime, timedelta | None] | None) -> dict[str, Any]:
    """When a payment came back, and when the bank knew: after it, or unsaid."""
    if returned is None:
        return {"reversed_at": None, "reversal_known_at": None}
    back, after = returned
    return {"reversed_at": back, "reversal_known_at": None if after is None else back + after}


# --- laws: whatever is not known by the end of the day, and the order of rows, changes nothing ---

instants = st.datetimes(datetime(2025, 2, 1), datetime(2025, 5, 31))
maybe = st.none() | instants
days = st.dates(date(2025, 2, 1), date(2025, 5, 31))
later = st.datetimes(END, datetime(2026, 1, 1))
later_days = st.dates(date(2025, 4, 1), date(2026, 1, 1))
returns = st.none() | st.tuples(instants, st.none() | st.timedeltas(timedelta(), timedelta(days=40)))
payments = st.builds(
    lambda paid, known_at, returned, amount: (
        payment(paid_at=paid, known_at=known_at, amount_cents=amount) | _return(returned)
    ),
    instants,
    maybe,
    returns,
    st.integers(0, 10_000),
)
flags = st.builds(
    lambda start, end, known_at: {
        "account_id": "A1",
        "kind": "hardship",
        "from_at": start,
        "until_at": end,
        "known_at": known_at,
    },
    instants,
    maybe,
    maybe,
)
inflows = st.builds(
    lambda month, known_at: {"customer_id": "C1", "month_on": month, "inflow_cents": 7, "known_at": known_at},
    days,
    maybe,
)
histories = st.fixed_dictionaries(
    {
        "payments": st.lists(payments, max_size=6),
        "standings": st.lists(flags, max_size=3),
        "inflows": st.lists(inflows, max_size=3),
    }
)
unknown_rows = st.fixed_dictionaries(
    {
        "payments": st.lists(
            st.builds(lambda row, paid: row | {"paid_at": paid}, payments, later)
            | st.builds(lambda row, known_at: row | {"known_at": known_at}, payments, later),
            max_size=3,
        ),
        "standings": st.lists(st.builds(lambda row, known_at: row | {"known_at": known_at}, flags, later), max_size=2),
        "inflows": st.lists(st.builds(lambda row, day: row | {"month_on": day}, inflows, later_days), max_size=2),
    }
)


def numbered(history: dict[str, Rows]) -> dict[str, Rows]:
    rows = [row | {"payment_id": f"P{place}"} for place, row in enumerate(history["payments"])]
    return history | {"payments": rows}


@settings(max_examples=40, deadline=None)
@given(histories, unknown_rows)
def test_adding_or_deleting_what_was_not_known_changes_nothing(history: dict[str, Rows], unknown: dict[str, Rows]):
    history = numbered(history)
    strangers = [row | {"payment_id": f"Q{place}"} for place, row in enumerate(unknown["payments"])]
    longer = {name: history[name] + rows for name, rows in (unknown | {"payments": strangers}).items()}

    assert known(**longer) == known(**history)


@settings(max_examples=40, deadline=None)
@given(histories, later, later)
def test_changing_what_was_learned_later_changes_nothing(history: dict[str, Rows], back: datetime, end: datetime):
    history = numbered(history)
    changed = {
        "payments": [_with_later_return(row, back) for row in history["payments"]],
        "standings": [row | {"until_at": end} if _is_open(row["until_at"]) else row for row in history["standings"]],
        "inflows": history["inflows"],
    }

    assert known(**changed) == known(**history)


@settings(max_examples=30, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(history: dict[str, Rows], draw: Any):
    history = numbered(history)
    shuffled = {name: draw.sample(rows, len(rows)) for name, rows in history.items()}

    assert known(**shuffled) == known(**history)


def _with_later_return(row: dict[str, Any], back: datetime) -> dict[str, Any]:
    """The same payment; where no return was known on the day, another story of what happened to it afterwards."""
    if _is_open(row["reversal_known_at"] or row["reversed_at"]):
        return row | {"reversed_at": back, "reversal_known_at": back + timedelta(days=1)}
    return row


def _is_open(when: datetime | None) -> bool:
    return when is None or when >= END


# --- the guard for adapters ---


def test_a_value_may_be_attached_from_the_instant_it_was_to_be_had():
    rows = SMALLEST_STATEMENT.mutate(known_at=ibis.literal(datetime(2025, 3, 6)))

    attached = attach_known(
        rows, "reported_dpd", ibis.literal(11), rows.known_at, contract=contracts()["statements"]
    ).to_pyarrow()

    assert attached["reported_dpd"].to_pylist() == [11]
    assert attached.column_names == [*rows.columns, "reported_dpd"]


def test_a_value_from_the_future_is_refused_with_both_instants():
    rows = SMALLEST_STATEMENT.mutate(known_at=ibis.literal(datetime(2025, 3, 6)))
    late = ibis.literal(datetime(2025, 3, 6, 0, 0, 1))

    with pytest.raises(FutureEventError, match=r"statements, column reported_dpd, row A1 / 2025-03-05") as caught:
        attach_known(rows, "reported_dpd", ibis.literal(11), late, contract=contracts()["statements"])

    assert "2025-03-06 00:00:01" in caught.value.message
    assert "known at 2025-03-06 00:00:00 (1 row in all)" in caught.value.message


def test_a_missing_value_is_never_from_the_future():
    rows = SMALLEST_STATEMENT.mutate(known_at=ibis.literal(datetime(2025, 3, 6)))

    attached = attach_known(
        rows, "reported_dpd", ibis.null("int64"), ibis.literal(END), contract=contracts()["statements"]
    )

    assert attached.to_pyarrow()["reported_dpd"].to_pylist() == [None]


SMALLEST_STATEMENT = portfolio_from_tables(SMALLEST).tables()["statements"].drop("known_at", "reported_dpd")
