"""What the bank knew by the end of a day: the one door between the event tables and everything that decides or learns.

A row is there when its event had happened *and* the bank had learned of it. What was learned later about an old row (a
payment was returned, a flag ended) is hidden until then. Everything downstream starts from here, so a feature cannot
see the future by mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import ibis

from scoring.errors import AsOfError, FutureEventError
from scoring.portfolio.contracts import TableContract, contracts, ibis_schema

if TYPE_CHECKING:
    from ibis.expr import types as ir


def known_on(as_of: date | ir.DateScalar, tables: Mapping[str, ir.Table]) -> dict[str, ir.Table]:
    """The event tables as they were known by the end of ``as_of`` (the next day, 00:00 UTC, is no longer inside).

    A row stays when its event and its ``known_at`` (where given) both lie before that instant. An inflow is complete a
    month after ``month_on``. Days that are part of an agreement, such as ``due_on``, may lie in the future.
    ``protected`` is never returned. No row is changed but for what the contract names as learned later:
    ``reversed_at`` of a payment and ``until_at`` of a flag are null until they were known; a payment whose return is
    known stays, with ``reversed_at`` filled.

    Parameters
    ----------
    as_of : date or Ibis date scalar
        A parameter (``ibis.param("date")``) lets the SQL be compiled once and bound per call.
    tables : mapping of str to Ibis table
        By contract name, columns as in the contract; bound to a connection or not.

    Returns
    -------
    dict of str to Ibis table
        One per given table, same columns; absent tables stay absent.

    Raises
    ------
    AsOfError
        ``as_of_out_of_range``: ``as_of`` is not a day. An instant is refused, since half a day would be ambiguous.

    Examples
    --------
    >>> known = known_on(date(2025, 3, 31), unbound_tables())
    >>> "protected" in known, "payments" in known
    (False, True)
    >>> known_on("2025-03-31", {})
    Traceback (most recent call last):
    ...
    scoring.errors.AsOfError: as_of is '2025-03-31', but it must be a day (datetime.date): what was known by its end.
    """
    day, end = _day_and_end(as_of)
    return {
        name: _known_rows(table, contracts()[name], day, end)
        for name, table in tables.items()
        if not contracts()[name].audit_only
    }


def unbound_tables() -> dict[str, ir.Table]:
    """Every contract table as an unbound Ibis table: expressions on them compile to SQL once, for any portfolio.

    >>> unbound_tables()["payments"].columns[:2]
    ('payment_id', 'account_id')
    """
    return {name: ibis.table(ibis_schema(contract), name=name) for name, contract in contracts().items()}


def attach_known(
    rows: ir.Table, column: str, value: ir.Value, available_at: ir.TimestampValue, *, contract: TableContract
) -> ir.Table:
    """Add a column to rows that claim a ``known_at``, refusing a value that was only to be had later.

    For adapters: a source that hands out one wide row per account rarely says when each value was known. Whoever builds
    event tables from it states, per value, the instant from which it was to be had; this function holds the row's claim
    against it, row by row.

    Parameters
    ----------
    rows : bound Ibis table
        Has the contract's key columns and ``known_at``.
    column : str
        Name of the new column.
    value : Ibis value on ``rows``
        Null values are always available.
    available_at : Ibis timestamp on ``rows``
        From this instant the value was to be had.
    contract : TableContract
        Whose rows these are; names the table and its key in the message.

    Returns
    -------
    Ibis table
        ``rows`` with ``column``.

    Raises
    ------
    FutureEventError
        ``future_event``: table, column, the first row by key, both instants, and how many rows are concerned.

    Examples
    --------
    >>> import pyarrow as pa
    >>> cut, late = datetime(2025, 3, 31), datetime(2025, 4, 21)
    >>> rows = ibis.memtable(pa.table({"account_id": ["A1"], "statement_on": [cut.date()], "known_at": [cut]}))
    >>> attach_known(rows, "reported_dpd", ibis.literal(11), ibis.literal(late), contract=contracts()["statements"])
    Traceback (most recent call last):
    ...
    scoring.errors.FutureEventError: Table statements, column reported_dpd, row A1 / 2025-03-31: the value was to be \
had from 2025-04-21 00:00:00, but the row claims to be known at 2025-03-31 00:00:00 (1 row in all). A score at that \
time would see the future. Attach the value to a later row, or give the row a later known_at.
    """
    joined = rows.mutate(**{column: value, _AVAILABLE: available_at})
    early = joined.filter(joined[column].notnull() & (joined[_AVAILABLE] > joined.known_at))
    count = early.count().to_pyarrow().as_py()
    if count:
        raise _from_the_future(early, column, count, contract)
    return joined.drop(_AVAILABLE)


_AVAILABLE: Final = "available_at__"


def _from_the_future(early: ir.Table, column: str, count: int, contract: TableContract) -> FutureEventError:
    first = early.order_by([early[name] for name in contract.key]).limit(1).to_pyarrow().to_pylist()[0]
    row = " / ".join(str(first[name]) for name in contract.key)
    rows = "1 row" if count == 1 else f"{count} rows"
    return FutureEventError(
        f"Table {contract.table}, column {column}, row {row}: the value was to be had from {first[_AVAILABLE]}, but "
        f"the row claims to be known at {first['known_at']} ({rows} in all). A score at that time would see the "
        f"future. Attach the value to a later row, or give the row a later known_at.",
        field=f"{contract.table}.{column}",
        got=str(first[_AVAILABLE]),
        expected=f"at or before {first['known_at']}",
    )


def _day_and_end(as_of: date | ir.DateScalar) -> tuple[Any, Any]:
    """The day, and the first instant after it; as Python values, or as expressions of the scalar."""
    if isinstance(as_of, ibis.expr.types.DateScalar):
        return as_of, (as_of + ibis.interval(days=1)).cast("timestamp")
    if isinstance(as_of, datetime) or not isinstance(as_of, date):
        raise AsOfError(
            f"as_of is {as_of!r}, but it must be a day (datetime.date): what was known by its end.",
            field="as_of",
            got=str(as_of),
            expected="a day, e.g. 2025-03-31",
        )
    return as_of, datetime.combine(as_of + timedelta(days=1), time())


def _known_rows(table: ir.Table, contract: TableContract, day: Any, end: Any) -> ir.Table:
    if contract.event_time is not None:
        event = table[contract.event_time]
        if contract.months_until_known:
            event = event + ibis.interval(months=contract.months_until_known)
        table = table.filter(_by_then(event, day, end))
    if contract.has("known_at"):
        table = table.filter(table.known_at.isnull() | (table.known_at < end))
    return table.mutate(**_learned_by_then(table, contract, day, end))


def _learned_by_then(table: ir.Table, contract: TableContract, day: Any, end: Any) -> dict[str, ir.Value]:
    """Each column learned later, null until its own instant *and* that of its clock have passed."""
    shown = {}
    for name, clock in contract.learned_later.items():
        group = {clock} | {other for other, its in contract.learned_later.items() if its == clock}
        passed = [table[c].isnull() | _by_then(table[c], day, end) for c in sorted(group)]
        shown[name] = ibis.ifelse(ibis.and_(*passed), table[name], ibis.null(table[name].type()))
    return shown


def _by_then(when: Any, day: Any, end: Any) -> Any:
    return when <= day if when.type().is_date() else when < end
