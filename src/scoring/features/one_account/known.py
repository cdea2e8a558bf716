"""What the bank knew of one account by the end of a day: `scoring.portfolio.known` for columns of plain values."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import compress
from typing import Any, Final

from scoring.portfolio.clean_rows import Columns
from scoring.portfolio.contracts import TableContract, contracts

TABLES_READ: Final = ("accounts", "statements", "payments", "contacts", "promises", "standings", "inflows")


def known_columns(tables: Mapping[str, Columns], as_of: date) -> dict[str, Columns]:
    """The tables that features read, as they were known by the end of ``as_of``.

    Parameters
    ----------
    tables : mapping of table name to columns
        As `scoring.portfolio.clean_rows.clean_history` gives them.
    as_of : date

    Returns
    -------
    dict of table name to columns
        One for each table that is read and was given, with the rows known by then; what is learned later about a row (a payment's
        return, a flag's end) is None until it was known.

    Examples
    --------
    >>> from scoring.portfolio.clean_rows import clean_history
    >>> from scoring.portfolio.reading import SMALLEST
    >>> tables = clean_history(SMALLEST)
    >>> known_columns(tables, date(2025, 3, 31))["payments"]["amount_cents"]
    []
    >>> known_columns(tables, date(2025, 4, 1))["payments"]["amount_cents"]
    [5000]
    """
    end = datetime.combine(as_of + timedelta(days=1), time())
    return {name: _known(contracts()[name], tables[name], as_of, end) for name in TABLES_READ if name in tables}


def _known(contract: TableContract, columns: Columns, as_of: date, end: datetime) -> Columns:
    assert contract.event_time is not None
    happened = columns[contract.event_time]
    if contract.months_until_known:
        happened = [_months_later(day, contract.months_until_known) for day in happened]
    is_day = contract.columns[contract.event_time].type == "date"
    keep = [when <= as_of for when in happened] if is_day else [when < end for when in happened]
    keep = [had and (at is None or at < end) for had, at in zip(keep, columns["known_at"], strict=True)]
    if not all(keep):
        columns = {name: list(compress(values, keep)) for name, values in columns.items()}
    return columns | _learned_by_then(contract, columns, end)


def _learned_by_then(contract: TableContract, columns: Columns, end: datetime) -> Columns:
    """Each column learned later, None until its own instant *and* that of its clock have passed."""
    shown = {}
    for name, clock in contract.learned_later.items():
        if not any(columns[name]):
            continue  # nothing to hide
        group = {clock} | {other for other, its in contract.learned_later.items() if its == clock}
        instants = zip(*(columns[other] for other in group), strict=True)
        passed = [all(at is None or at < end for at in row) for row in instants]
        shown[name] = [value if had else None for value, had in zip(columns[name], passed, strict=True)]
    return shown


def _months_later(day: date, months: int) -> date:
    """The same day some months later; the last of the month where it has fewer days.

    >>> _months_later(date(2024, 1, 31), 1)
    datetime.date(2024, 2, 29)
    """
    month = day.year * 12 + day.month - 1 + months
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def since(day: Any, as_of: int) -> int:
    """Days from a day, or from the day of an instant, until the day with the ordinal ``as_of``.

    >>> since(datetime(2025, 3, 1, 23, 59), date(2025, 3, 2).toordinal())
    1
    """
    return as_of - int(day.toordinal())
