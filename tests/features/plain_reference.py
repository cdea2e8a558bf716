"""Every position and feature by the walk in plain Python, for rows of several accounts in memory: the judge of the SQL.

Rows are dicts as in the event tables, with `date` and `datetime` values.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from scoring.features.one_account.builder import one_account
from scoring.features.one_account.known import known_columns
from scoring.portfolio.clean_rows import Columns
from scoring.portfolio.contracts import contracts

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def columns_of(name: str, rows: list[Row]) -> Columns:
    """Rows as columns of the contract, unchecked: what is wrong with a row is no matter of features."""
    return {column: [row.get(column) for row in rows] for column in contracts()[name].columns}


def own_columns(tables: Tables, account: Row) -> dict[str, Columns]:
    """The rows of one account and its customer."""
    keys = {name: "account_id" if contracts()[name].has("account_id") else "customer_id" for name in tables}
    return {
        name: columns_of(name, [row for row in rows if row[keys[name]] == account[keys[name]]])
        for name, rows in tables.items()
    }


def plain_features(tables: Tables, as_of: date) -> dict[str, tuple[Row, Row]]:
    """Positions and features of every account that has a statement known on ``as_of``."""
    found = {row["account_id"]: one_account(own_columns(tables, row), as_of) for row in tables["accounts"]}
    return {account_id: account for account_id, account in found.items() if account is not None}


def known_rows(tables: Tables, as_of: date) -> Tables:
    """What was known by the end of ``as_of``, table by table."""
    known = known_columns({name: columns_of(name, rows) for name, rows in tables.items()}, as_of)
    return {
        name: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for name, columns in known.items()
    }
