"""Turning a column as it was delivered into the type its contract asks for, without ever losing a value silently.

A plain SQL cast rounds 1.5 to 2, cuts the time off an instant and drops the zone of a text. Here each conversion comes
with the predicate under which it would not be faithful; the reader counts those rows and refuses, naming one.
"""

# ruff: noqa: S608  names in SQL come from the contracts and are quoted.
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from scoring.errors import PortfolioError
from scoring.portfolio.contracts import Column, TableContract

_WIDENED: Final = frozenset({"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"})
_INTEGERS: Final = _WIDENED | {"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"}
_INSTANTS: Final = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"
_DAY: Final = r"\d{4}-\d{1,2}-\d{1,2}"
_TRUE_FALSE: Final = "(?i)true|false|t|f|yes|no|1|0"


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one column is read: the SQL value, and the SQL predicate of rows that it would falsify (None: none can
    be)."""

    value: str
    falsified: str | None = None


def conversion(column: Column, source_type: str) -> Conversion:
    """How a column of ``source_type`` (as DuckDB describes it) becomes the contract's type.

    Where no faithful reading exists, every value that is not null counts as falsified: an empty column of any type
    passes.

    Examples
    --------
    >>> from scoring.portfolio.contracts import contracts
    >>> amount = contracts()["payments"].columns["amount_cents"]
    >>> conversion(amount, "INTEGER")
    Conversion(value='CAST("amount_cents" AS BIGINT)', falsified=None)
    >>> conversion(amount, "DATE").falsified
    '"amount_cents" IS NOT NULL'
    """
    name = quoted(column.name)
    family = _family(source_type)
    if source_type == column.duckdb_type:
        return Conversion(name)
    readers = {
        "string": _to_string,
        "date": _to_date,
        "timestamp": _to_timestamp,
        "int64": _to_int64,
        "float64": _to_float64,
        "bool": _to_bool,
    }
    found = readers[column.type](name, family, source_type)
    return found or Conversion(f"CAST(NULL AS {column.duckdb_type})", f"{name} IS NOT NULL")


def refuse_falsified(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, source: str, types: Mapping[str, str]
) -> None:
    """Count, in one scan, the values that would be falsified; refuse with the first column that has any.

    Parameters
    ----------
    source : str
        SQL of the delivered rows.
    types : mapping
        Column -> DuckDB type as delivered.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: table, column, how many values, one of them, what is expected.

    Examples
    --------
    >>> from scoring.portfolio.contracts import contracts
    >>> rows = "(SELECT '12.5' AS amount_cents)"
    >>> refuse_falsified(duckdb.connect(), contracts()["payments"], rows, {"amount_cents": "VARCHAR"})
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: Table payments, column amount_cents: 1 value cannot be read as int64 without loss, \
for example '12.5' (delivered as VARCHAR). Deliver whole numbers, e.g. 1250.
    """
    guarded = {
        column.name: found.falsified
        for column in contract.columns.values()
        if column.name in types and (found := conversion(column, types[column.name])).falsified
    }
    if not guarded:
        return
    counts = ", ".join(
        f"count(*) FILTER (WHERE {bad}), first(CAST({quoted(name)} AS VARCHAR)) FILTER (WHERE {bad})"
        for name, bad in guarded.items()
    )
    [found_row] = connection.execute(f"SELECT {counts} FROM {source}").fetchall()
    for place, name in enumerate(guarded):
        count, example = found_row[2 * place : 2 * place + 2]
        if count:
            raise wrong_value(contract.table, contract.columns[name], count, example, types[name])


def wrong_value(table: str, column: Column, count: int, example: object, source_type: str) -> PortfolioError:
    """The refusal for values that do not read as the contract's type.

    >>> from scoring.portfolio.contracts import contracts
    >>> print(wrong_value("payments", contracts()["payments"].columns["amount_cents"], 1, "12.5", "VARCHAR"))
    Table payments, column amount_cents: 1 value cannot be read as int64 without loss, for example '12.5' (delivered \
as VARCHAR). Deliver whole numbers, e.g. 1250.
    """
    seen = str(example)[:40]
    values = "1 value" if count == 1 else f"{count} values"
    return PortfolioError(
        f"Table {table}, column {column.name}: {values} cannot be read as {column.type} without loss, for example "
        f"{seen!r} (delivered as {source_type}). Deliver {_ADVICE[column.type]}.",
        field=f"{table}.{column.name}",
        got=seen,
        expected=column.type,
    )


def shape_of(value: object) -> str:
    """A value of a request as an error may show it: a short number or day as it is, else its shape, because it might be a name or a telephone number.

    >>> shape_of("12.5"), shape_of("31/12/2025"), shape_of("Wang Fang"), shape_of("13800138000")
    ('12.5', '31/12/2025', 'xxxx xxxx', '99999999999')
    """
    text = str(value)[:40]
    if isinstance(value, bool) or re.fullmatch(r"[-+0-9.,:/_]{1,10}", text):
        return text
    return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", text))


def quoted(name: str) -> str:
    """An SQL identifier: ``a"b`` becomes ``"a""b"``.

    >>> quoted("paid_at")
    '"paid_at"'
    """
    return '"' + name.replace('"', '""') + '"'


_ADVICE: Final = {
    "string": "text",
    "date": "days as 2025-03-31, without a time of day",
    "timestamp": "UTC instants as 2025-03-31T09:30:00Z",
    "int64": "whole numbers, e.g. 1250",
    "float64": "finite numbers, e.g. 0.25",
    "bool": "true or false",
}


def _family(source_type: str) -> str:
    if source_type in _INTEGERS:
        return "integer"
    if source_type in _INSTANTS:
        return "instant"
    if source_type in {"FLOAT", "DOUBLE"} or source_type.startswith("DECIMAL"):
        return "number"
    if source_type == "VARCHAR" or source_type.startswith("ENUM"):
        return "text"
    return {_ZONED: "zoned", "DATE": "day", "UUID": "uuid"}.get(source_type, "other")


def _to_string(name: str, family: str, _: str) -> Conversion | None:
    return Conversion(f"CAST({name} AS VARCHAR)") if family in {"text", "integer", "uuid"} else None


def _to_date(name: str, family: str, _: str) -> Conversion | None:
    if family == "instant":
        return Conversion(f"CAST({name} AS DATE)", f"{name} <> date_trunc('day', {name})")
    if family == "zoned":
        utc = f"({name} AT TIME ZONE 'UTC')"
        return Conversion(f"CAST({utc} AS DATE)", f"{utc} <> date_trunc('day', {utc})")
    if family == "text":
        midnight = rf"{_DAY}([ T]00:00(:00(\.0+)?)?)?"
        return _parsed(name, f"TRY_CAST({name} AS DATE)", midnight)
    return None


def _to_timestamp(name: str, family: str, _: str) -> Conversion | None:
    if family in {"instant", "day"}:
        return Conversion(f"CAST({name} AS TIMESTAMP)")
    if family == "zoned":
        return Conversion(f"({name} AT TIME ZONE 'UTC')")
    if family == "text":
        # Through the zoned type: a plain cast of text would drop '+08:00' without a word.
        return _parsed(name, f"(TRY_CAST({name} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')", rf"{_DAY}([ T].*)?")
    return None


def _to_int64(name: str, family: str, source_type: str) -> Conversion | None:
    if source_type in _WIDENED:
        return Conversion(f"CAST({name} AS BIGINT)")
    whole = f"TRY_CAST({name} AS BIGINT)"
    if family == "integer":
        return Conversion(whole, f"{name} IS NOT NULL AND {whole} IS NULL")
    if family == "number":
        return Conversion(whole, f"{name} IS NOT NULL AND ({whole} IS NULL OR {whole} <> {name})")
    return _parsed(name, whole, r"[+-]?\d+(\.0*)?") if family == "text" else None


def _to_float64(name: str, family: str, _: str) -> Conversion | None:
    if family in {"integer", "number"}:
        return Conversion(f"CAST({name} AS DOUBLE)")
    number = f"TRY_CAST({name} AS DOUBLE)"
    return _parsed(name, number, r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?") if family == "text" else None


def _to_bool(name: str, family: str, _: str) -> Conversion | None:
    if family == "integer":
        return Conversion(f"CAST({name} AS BOOLEAN)", f"{name} NOT IN (0, 1)")
    return _parsed(name, f"TRY_CAST({name} AS BOOLEAN)", _TRUE_FALSE) if family == "text" else None


def _parsed(name: str, value: str, shape: str) -> Conversion:
    unlike = f"NOT regexp_full_match(CAST({name} AS VARCHAR), '{shape}')"
    return Conversion(value, f"{name} IS NOT NULL AND ({value} IS NULL OR {unlike})")
