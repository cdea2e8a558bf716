"""Features of a few stored accounts: walked one by one where every row is plainly in order, in SQL otherwise; the same bits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import pyarrow as pa

from scoring.features.builder import FeatureFrame, build
from scoring.features.one_account.builder import account_columns, frame_of
from scoring.features.one_account.known import TABLES_READ
from scoring.portfolio.clean_rows import Columns, clean_history
from scoring.portfolio.clean_values import EARLIEST, LATEST
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio

FEW: Final = 200
"""More accounts than this are built in SQL, whose start of a tenth of a second then counts for little."""

Row = dict[str, Any]


def build_few(portfolio: Portfolio, as_of: date) -> FeatureFrame:
    """What `scoring.features.builder.build` gives with ``min_dpd=0``, for a portfolio of a few accounts in memory.

    Raises
    ------
    AsOfError
        ``as_of_out_of_range``: no statement is known by then.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> build_few(portfolio_from_tables(SMALLEST), date(2025, 4, 1)).positions["dpd"].tolist()
    [7]
    """
    if portfolio.folder is None:
        query = portfolio.connection.sql
        [(n_accounts,)] = query("SELECT count(*) FROM accounts").fetchall()
        if n_accounts <= FEW:
            read = [name for name in TABLES_READ if name in portfolio.observed]
            found = few_accounts({name: query(f'FROM "{name}"').to_arrow_table() for name in read}, as_of)
            if found is not None:
                return found
    return build(portfolio, as_of, min_dpd=0)


def few_accounts(tables: Mapping[str, pa.Table], as_of: date) -> FeatureFrame | None:
    """Features of all accounts of the tables that had a statement by ``as_of``, ordered by account id.

    Parameters
    ----------
    tables : mapping of table name to Arrow table
        Contract columns; whole customers, or one account each.
    as_of : date

    Returns
    -------
    FeatureFrame or None
        None where a row is not plainly in order, where there are many accounts, or where none had a statement: that is for SQL.

    Examples
    --------
    >>> from scoring.portfolio.inline import inline_table
    >>> from scoring.portfolio.reading import SMALLEST
    >>> tables = {name: inline_table(contracts()[name], rows) for name, rows in SMALLEST.items()}
    >>> len(few_accounts(tables, date(2025, 4, 1))), few_accounts(tables, date(2025, 3, 1))
    (1, None)
    """
    if len(tables["accounts"]) > FEW or not EARLIEST <= as_of <= LATEST:
        return None
    histories = _apart({name: tables[name].to_pylist() for name in TABLES_READ if name in tables})
    if histories is None:
        return None
    found = account_columns(histories, as_of)
    return None if found is None or not len(found[0]) else frame_of(*found, as_of)


def _apart(tables: Mapping[str, list[Row]]) -> list[dict[str, Columns]] | None:
    """The accounts' histories by account id, less those without any statement; None where one is not plainly in order."""
    keys = {name: "account_id" if contracts()[name].has("account_id") else "customer_id" for name in tables}
    own: dict[str, dict[Any, list[Row]]] = {name: defaultdict(list) for name in tables}
    for name, rows in tables.items():
        for row in rows:
            own[name][row[keys[name]]].append(row)
    if len(own["accounts"]) < len(tables["accounts"]) or None in own["accounts"]:
        return None
    histories = []
    for account_id in sorted(own["accounts"]):
        [account] = own["accounts"][account_id]
        if account_id in own["statements"]:
            clean = clean_history({name: own[name].get(account[key], []) for name, key in keys.items()})
            if clean is None:
                return None
            histories.append(clean)
    return histories
