"""A column of values in the contract's type, read without a database; unclear wherever one is not plainly in order.

Columns are read whole: which types occur, the smallest and the largest are asked once each, not value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from math import isfinite
from typing import Any, Final

from scoring.portfolio.contracts import Column
from scoring.portfolio.inline import READERS

LARGEST_CENTS: Final = 10**11
MOST_ROWS: Final = 50_000
"""Larger numbers and longer histories are left to the long way: sums of so many amounts, each no larger, are exact as doubles too."""
EARLIEST: Final = date(1950, 1, 1)
LATEST: Final = date(2199, 12, 31)
"""Days outside are left to the long way: no arithmetic on those inside can leave the calendar."""


class UnclearError(ValueError):
    """Something that is not plainly in order; caught where the longer way is open."""


def read_column(column: Column, values: list[Any]) -> list[Any]:
    """A column's values in the contract's type.

    Raises
    ------
    UnclearError, TypeError, ValueError, OverflowError
        A value is missing that is needed, or it is unknown, out of range or of another type.

    Examples
    --------
    >>> from scoring.portfolio.contracts import contracts
    >>> read_column(contracts()["payments"].columns["paid_at"], ["2025-04-01T09:00:00+08:00"])
    [datetime.datetime(2025, 4, 1, 1, 0)]
    >>> read_column(contracts()["payments"].columns["amount_cents"], [-1])
    Traceback (most recent call last):
    ...
    scoring.portfolio.clean_values.UnclearError
    """
    read = _COLUMN_READERS[column.type](column, values)
    if not column.nullable and None in read:
        raise UnclearError
    return read


@cache
def _allowed(kinds: tuple[str, ...]) -> frozenset[str | None]:
    return frozenset((*kinds, None))


def midnight(day: date) -> datetime:
    """The instant itself, or the first of a day.

    >>> midnight(date(2025, 3, 31))
    datetime.datetime(2025, 3, 31, 0, 0)
    """
    return day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)  # noqa: DTZ001


def _converted(column: Column, values: list[Any]) -> list[Any]:
    """Values that do not come as JSON usually has them, by the reader of inline tables."""
    read = READERS[column.type][1]
    return [None if value is None else read(value) for value in values]


def _texts(column: Column, values: list[Any]) -> list[Any]:
    if not set(map(type, values)) <= _TEXT:
        raise UnclearError
    seen = set(values)
    if not column.nullable and "" in seen:
        raise UnclearError
    if column.allowed and not seen <= _allowed(column.allowed):
        raise UnclearError
    for text in seen - {None}:
        if not text.isascii():
            text.encode()
        if column.allowed_each and text and not set(text.split(",")) <= _allowed(column.allowed_each):
            raise UnclearError
    return values


def _days(column: Column, values: list[Any]) -> list[Any]:
    if set(map(type, values)) == {str}:
        days: list[Any] = [date.fromisoformat(value) for value in values]
    else:
        days = _converted(column, values)
    _refuse_outside(days, EARLIEST, LATEST)
    return days


def _instants(column: Column, values: list[Any]) -> list[Any]:
    if set(map(type, values)) <= _TEXT:
        instants: list[Any] = [None if value is None else datetime.fromisoformat(value) for value in values]
        instants = [value if value is None or value.tzinfo is None else _utc(value) for value in instants]
    else:
        instants = _converted(column, values)
    _refuse_outside(instants, midnight(EARLIEST), midnight(LATEST))
    return instants


def _utc(instant: datetime) -> datetime:
    return (instant if instant.tzinfo is UTC else instant.astimezone(UTC)).replace(tzinfo=None)


def _whole_numbers(column: Column, values: list[Any]) -> list[Any]:
    if not set(map(type, values)) <= _WHOLE:
        values = _converted(column, values)
    low = -LARGEST_CENTS if column.minimum is None else column.minimum
    high = LARGEST_CENTS if column.maximum is None else column.maximum
    _refuse_outside(values, max(low, -LARGEST_CENTS), min(high, LARGEST_CENTS))
    return values


def _numbers(column: Column, values: list[Any]) -> list[Any]:
    numbers = values if set(map(type, values)) <= _FLOAT else _converted(column, values)
    if not all(number is None or isfinite(number) for number in numbers):
        raise UnclearError
    _refuse_outside(numbers, column.minimum, column.maximum)
    return numbers


def _truths(column: Column, values: list[Any]) -> list[Any]:
    return values if set(map(type, values)) <= _TRUTH else _converted(column, values)


def _refuse_outside(values: list[Any], low: Any, high: Any) -> None:
    seen = values if None not in values else [value for value in values if value is not None]
    if seen and ((low is not None and min(seen) < low) or (high is not None and max(seen) > high)):
        raise UnclearError


_TEXT: Final = frozenset((str, type(None)))
_TRUTH: Final = frozenset((bool, type(None)))
_FLOAT: Final = frozenset((float, type(None)))
_WHOLE: Final = frozenset((int, type(None)))
_COLUMN_READERS: Final[Mapping[str, Callable[[Column, list[Any]], list[Any]]]] = {
    "string": _texts,
    "date": _days,
    "timestamp": _instants,
    "int64": _whole_numbers,
    "float64": _numbers,
    "bool": _truths,
}
