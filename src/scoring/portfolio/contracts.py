"""The event tables a portfolio may hold, as ``data/contracts/*.toml`` writes them down.

The TOML is the one place for column names, types, keys and rules; reading, checking, ``known_on`` and the sample all
lean on what is loaded here. A contract with a key nobody knows is refused: a misspelt rule would never fire.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import ibis

from scoring.errors import PortfolioError
from scoring.resources import data_folder

DUCKDB_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string": "VARCHAR",
        "date": "DATE",
        "timestamp": "TIMESTAMP",  # UTC without zone
        "int64": "BIGINT",
        "float64": "DOUBLE",
        "bool": "BOOLEAN",
    }
)
"""Contract type -> type of the column in DuckDB."""

IBIS_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string": "string",
        "date": "date",
        "timestamp": "timestamp(6)",
        "int64": "int64",
        "float64": "float64",
        "bool": "boolean",
    }
)
"""Contract type -> Ibis type, as Ibis reads the DuckDB column back."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an event table.

    Attributes
    ----------
    name, type, meaning : str
        ``type`` is a key of ``DUCKDB_TYPES``.
    required : bool
        The table cannot be read without it.
    nullable : bool
        Single values may be missing; always so for optional columns.
    minimum, maximum : float or None
        Inclusive range.
    allowed : tuple of str
        The kinds that are known; empty means free text.
    allowed_each : tuple of str
        The same for each part of a comma-separated value.
    """

    name: str
    type: str
    meaning: str
    required: bool = False
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    allowed_each: tuple[str, ...] = ()

    @property
    def duckdb_type(self) -> str:
        """The DuckDB type: ``int64`` -> ``BIGINT``."""
        return DUCKDB_TYPES[self.type]


@dataclass(frozen=True, slots=True)
class Parent:
    """The table and column that every row's ``column`` must be found in."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Periods:
    """Rows equal in ``by`` are periods that must not overlap."""

    by: tuple[str, ...]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class TableContract:
    """One event table: its columns in order, and the rules the data check reads off.

    Attributes
    ----------
    table, one_row_per : str
    required : bool
        Without this table there is no portfolio. An absent optional table means *not observed*.
    key : tuple of str
        Columns that name a row.
    event_time : str or None
        When the row's event happened: a date or timestamp column.
    months_until_known : int
        Months after ``event_time`` before the event is complete.
    parent : Parent or None
    starts_with_account : bool
        An event before the account was opened is impossible.
    order : tuple of pairs
        In each pair the first is never after the second.
    needs : mapping
        Column -> column that must be filled when it is.
    no_overlap : Periods or None
    learned_later : mapping
        Column -> column that says when the bank learned it; before that instant it is hidden.
    repeats : tuple of str
        Columns that together should not occur twice under different keys.
    audit_only : bool
        Readable for fairness audits; never part of what is known for a decision.
    columns : mapping of str to Column
        In contract order.
    """

    table: str
    one_row_per: str
    required: bool
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    event_time: str | None = None
    months_until_known: int = 0
    parent: Parent | None = None
    starts_with_account: bool = False
    order: tuple[tuple[str, str], ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    no_overlap: Periods | None = None
    learned_later: Mapping[str, str] = field(default_factory=dict)
    repeats: tuple[str, ...] = ()
    audit_only: bool = False

    def has(self, column: str) -> bool:
        """Whether the contract has this column.

        >>> contracts()["payments"].has("known_at")
        True
        """
        return column in self.columns


@cache
def contracts() -> Mapping[str, TableContract]:
    """Every table contract, by table name: the required tables first, then by name.

    Examples
    --------
    >>> list(contracts())[:3]
    ['accounts', 'payments', 'statements']
    >>> contracts()["payments"].key
    ('payment_id',)
    """
    read = [read_contract(path) for path in sorted((data_folder() / "contracts").glob("*.toml"))]
    return MappingProxyType({c.table: c for c in sorted(read, key=lambda c: (not c.required, c.table))})


def ibis_schema(contract: TableContract) -> ibis.Schema:
    """The Ibis schema of a table, columns in contract order.

    >>> ibis_schema(contracts()["payments"])["paid_at"]
    Timestamp(timezone=None, scale=6, nullable=True)
    """
    return ibis.schema({column.name: IBIS_TYPES[column.type] for column in contract.columns.values()})


def duckdb_columns(contract: TableContract) -> dict[str, str]:
    """Column name -> DuckDB type, in contract order.

    >>> duckdb_columns(contracts()["payments"])["amount_cents"]
    'BIGINT'
    """
    return {column.name: column.duckdb_type for column in contract.columns.values()}


_COLUMN_KEYS: Final = {
    "type",
    "meaning",
    "required",
    "nullable",
    "min",
    "max",
    "allowed",
    "allowed_each",
}
_TABLE_KEYS: Final = {f.name for f in fields(TableContract)} - {"months_until_known"} | {"event_time_after"}


def read_contract(path: Path) -> TableContract:
    """One contract file, checked: unknown keys, unknown types and rules about columns that are not there are refused.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``; names the file, the place and what is allowed there.

    Examples
    --------
    >>> read_contract(data_folder() / "contracts" / "inflows.toml").months_until_known
    1
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise _refusal(path, "the file", str(error), "valid TOML") from error
    _only_known(path, "the table", raw, _TABLE_KEYS)
    columns = {name: _column(path, name, entry) for name, entry in raw.get("columns", {}).items()}
    for place, name in _columns_named(raw):
        if name not in columns:
            raise _refusal(path, place, name, sorted(columns))
    return TableContract(
        table=raw["table"],
        one_row_per=raw["one_row_per"],
        required=raw["required"],
        key=tuple(raw["key"]),
        columns=MappingProxyType(columns),
        event_time=raw.get("event_time"),
        months_until_known=_months(path, raw.get("event_time_after", "0 months")),
        parent=Parent(**raw["parent"]) if "parent" in raw else None,
        starts_with_account=raw.get("starts_with_account", False),
        order=tuple((first, second) for first, second in raw.get("order", [])),
        needs=MappingProxyType(raw.get("needs", {})),
        no_overlap=_periods(raw.get("no_overlap")),
        learned_later=MappingProxyType(raw.get("learned_later", {})),
        repeats=tuple(raw.get("repeats", [])),
        audit_only=raw.get("audit_only", False),
    )


def _column(path: Path, name: str, entry: Mapping[str, Any]) -> Column:
    _only_known(path, f"column {name}", entry, _COLUMN_KEYS)
    if entry["type"] not in DUCKDB_TYPES:
        raise _refusal(path, f"column {name}, type", entry["type"], sorted(DUCKDB_TYPES))
    required = bool(entry["required"])
    return Column(
        name=name,
        type=entry["type"],
        meaning=entry["meaning"],
        required=required,
        nullable=entry.get("nullable", not required),
        minimum=entry.get("min"),
        maximum=entry.get("max"),
        allowed=tuple(entry.get("allowed", ())),
        allowed_each=tuple(entry.get("allowed_each", ())),
    )


def _columns_named(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every (place, column) that a rule of the contract speaks about."""
    periods = raw.get("no_overlap", {})
    named = [("key", name) for name in raw["key"]]
    named += [("event_time", raw["event_time"])] if "event_time" in raw else []
    named += [("parent", raw["parent"]["column"])] if "parent" in raw else []
    named += [("order", name) for pair in raw.get("order", []) for name in pair]
    named += [("repeats", name) for name in raw.get("repeats", [])]
    named += [("no_overlap", name) for name in [*periods.get("by", []), *(v for k, v in periods.items() if k != "by")]]
    for rule in ("learned_later", "needs"):
        named += [(rule, name) for pair in raw.get(rule, {}).items() for name in pair]
    return named


def _periods(raw: Mapping[str, Any] | None) -> Periods | None:
    return Periods(tuple(raw["by"]), raw["from"], raw["until"]) if raw else None


def _months(path: Path, text: str) -> int:
    match = re.fullmatch(r"(\d+) months?", text)
    if not match:
        raise _refusal(path, "event_time_after", text, "e.g. '1 month'")
    return int(match[1])


def _only_known(path: Path, place: str, entry: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise _refusal(path, place, unknown, sorted(known))


def _refusal(path: Path, place: str, got: object, expected: object) -> PortfolioError:
    return PortfolioError(
        f"Contract {path.name}: {place} has {got!r}, where {expected!r} is known. A misspelt rule would never fire; "
        f"correct the contract.",
        field=place,
        got=got,
        expected=expected,
    )
