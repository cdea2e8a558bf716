"""Rows as they come in a request (texts for days and instants) as an Arrow table of the contract's types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa

from scoring.errors import PortfolioError
from scoring.portfolio.casting import shape_of
from scoring.portfolio.contracts import Column, TableContract


def inline_table(contract: TableContract, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One contract table from rows, with every contract column that a row names and every column it does not know.

    Parameters
    ----------
    rows : sequence of mappings
        Days as ``date`` or ``"2025-03-31"``; instants as ``datetime`` or ISO 8601 text, UTC where no offset is given.

    Returns
    -------
    pyarrow.Table
        Contract columns in the contract's types; unknown columns as text, so that the check can name them.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: table, column, row number from 0, the value, what is expected.

    Examples
    --------
    >>> from scoring.portfolio.contracts import contracts
    >>> row = {"customer_id": "C1", "month_on": "2025-03-01", "inflow_cents": 250_000}
    >>> inline_table(contracts()["inflows"], [row]).to_pylist()
    [{'customer_id': 'C1', 'month_on': datetime.date(2025, 3, 1), 'inflow_cents': 250000}]
    >>> inline_table(contracts()["inflows"], [row | {"inflow_cents": 2.5}])
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: Table inflows, column inflow_cents, row 0: 2.5 is not int64; expected a whole \
number, e.g. 1250.
    """
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        raise PortfolioError(
            f"Table {contract.table} is not a list of rows. Give a list of objects, one per {contract.one_row_per}.",
            field=contract.table,
            expected="a list of objects",
        )
    named = list(dict.fromkeys(name for row in rows for name in row)) if rows else list(contract.columns)
    arrays = {name: _array(contract, name, [row.get(name) for row in rows]) for name in named}
    return pa.table(arrays)


def _array(contract: TableContract, name: str, values: Sequence[Any]) -> pa.Array:
    column = contract.columns.get(name)
    if column is None:
        return pa.array([None] * len(values), pa.string())
    arrow_type, read, _ = READERS[column.type]
    converted = []
    for place, value in enumerate(values):
        try:
            converted.append(None if value is None else read(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise _wrong(contract.table, column, place, value) from error
    return pa.array(converted, arrow_type)


def _wrong(table: str, column: Column, place: int, value: Any) -> PortfolioError:
    shown = shape_of(value)
    return PortfolioError(
        f"Table {table}, column {column.name}, row {place}: {shown} is not {column.type}; expected "
        f"{READERS[column.type][2]}.",
        field=f"{table}.{column.name}",
        got=shown,
        expected=column.type,
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError


def _day(value: Any) -> date:
    if isinstance(value, datetime):
        if value.time() != value.min.time():
            raise ValueError
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value)


def _instant(value: Any) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day) if isinstance(value, date) else None  # noqa: DTZ001
    if value is None:
        raise TypeError
    instant: datetime = value
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError
    if not -(2**63) <= value < 2**63:
        raise OverflowError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        raise TypeError
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


READERS: Final[Mapping[str, tuple[pa.DataType, Callable[[Any], Any], str]]] = {
    "string": (pa.string(), _text, "text"),
    "date": (pa.date32(), _day, "a day as 2025-03-31"),
    "timestamp": (pa.timestamp("us"), _instant, "an instant as 2025-03-31T09:30:00Z"),
    "int64": (pa.int64(), _whole, "a whole number, e.g. 1250"),
    "float64": (pa.float64(), _number, "a finite number, e.g. 0.25"),
    "bool": (pa.bool_(), _truth, "true or false"),
}
