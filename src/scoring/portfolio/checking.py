"""The data check: every finding of a portfolio at once. Nothing is changed and nothing is dropped."""

# ruff: noqa: S608  names in SQL come from the contracts and are quoted.
from __future__ import annotations

from collections.abc import Iterator

import duckdb

from scoring.errors import PortfolioError
from scoring.portfolio.casting import quoted
from scoring.portfolio.contracts import TableContract, contracts
from scoring.portfolio.findings import Finding, counted, key_of
from scoring.portfolio.leakage import status_findings
from scoring.portfolio.reading import Portfolio
from scoring.portfolio.row_rules import row_findings, row_rules
from scoring.portfolio.table_rules import duplicate_keys, table_findings, twin_accounts


def check(portfolio: Portfolio) -> list[Finding]:
    """Everything that is wrong with a portfolio, or assumed about it.

    Parameters
    ----------
    portfolio : Portfolio

    Returns
    -------
    list of Finding
        Errors first, then by table (contract order) and code. Empty for a flawless portfolio. Rules come from the table
        contracts; only currency, arrears sources and the status canary are rules of the portfolio as a whole.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: a file turned out to be broken behind its header.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> [(f.code, f.severity, f.table) for f in check(portfolio_from_tables(SMALLEST))][:2]
    [('extract_day_assumed', 'warning', 'accounts'), ('known_at_missing', 'warning', 'accounts')]
    """
    try:
        found = list(_findings(portfolio))
    except duckdb.Error as error:
        raise PortfolioError(
            f"The tables cannot be read to their end ({type(error).__name__}). A file is broken behind its header; "
            f"write it again.",
            field="folder",
        ) from error
    order = {name: place for place, name in enumerate(contracts())}
    return sorted(found, key=lambda f: (f.severity != "error", order.get(f.table, len(order)), f.code, f.message))


def refuse_miscounted(portfolio: Portfolio) -> None:
    """Refuse a portfolio whose amounts would count twice or be added up across currencies; other findings touch single rows.

    Parameters
    ----------
    portfolio : Portfolio

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: every table with keys that occur twice, and accounts in another currency.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> refuse_miscounted(portfolio_from_tables(SMALLEST))
    >>> twice = SMALLEST | {"payments": [*SMALLEST["payments"], *SMALLEST["payments"]]}
    >>> refuse_miscounted(portfolio_from_tables(twice))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: 1 keys (payment_id) of payments occur more than once, so amounts would count twice. ...
    """
    tables = [contracts()[name] for name in sorted(portfolio.observed)]
    wrong = [finding for contract in tables for finding in duplicate_keys(portfolio.connection, contract)]
    wrong += _currencies(portfolio)
    if wrong:
        told = " ".join(f"{finding.message} Keys: {', '.join(finding.examples)}." for finding in wrong)
        raise PortfolioError(
            f"{told} `scoring check` lists every finding.",
            field=", ".join(finding.table for finding in wrong),
            got=[finding.code for finding in wrong],
        )


def _findings(portfolio: Portfolio) -> Iterator[Finding]:
    connection = portfolio.connection
    yield from _delivery(portfolio)
    for name in sorted(portfolio.observed):
        contract = contracts()[name]
        yield from row_findings(connection, contract, row_rules(contract, portfolio.extract_on))
        yield from table_findings(connection, contract)
        yield from _known_at(connection, contract)
    yield from _currencies(portfolio)
    yield from twin_accounts(connection)
    yield from _arrears(connection)
    yield from status_findings(connection)


def _delivery(portfolio: Portfolio) -> Iterator[Finding]:
    """What was delivered beside the contract, or not at all."""
    for table, names in portfolio.ignored.items():
        what = f"Columns of {table}" if table else "Files"
        yield Finding(
            "unknown_column" if table else "unknown_file",
            "warning",
            table or "files",
            len(names),
            tuple(names[:5]),
            f"{what} outside the contract are ignored: {', '.join(names)}. Rename them if they were meant, else "
            f"remove them.",
        )
    if not portfolio.extract_is_declared:
        yield Finding(
            "extract_day_assumed",
            "warning",
            "accounts",
            1,
            (),
            f"The extract day is taken as {portfolio.extract_on}, the latest day in any table, so a mistyped year "
            f"would move it. State extract_on in portfolio.toml.",
        )
    for name in ("accounts", "statements"):
        [(rows,)] = portfolio.connection.execute(f"SELECT count(*) FROM {name}").fetchall()
        if not rows:
            yield Finding(
                "empty_table", "error", name, 0, (), f"{name} has no row, so nothing can be scored. Deliver it."
            )


def _known_at(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    """Said once per table: rows that count as known at their event's own time."""
    if contract.event_time is None or not contract.has("known_at"):
        return []
    return counted(
        connection,
        contract,
        f"SELECT {key_of(contract.key)} AS example FROM {quoted(contract.table)} WHERE known_at IS NULL",
        code="known_at_missing",
        severity="warning",
        message=f"{{rows}} rows of {contract.table} have no known_at and count as known at their "
        f"{contract.event_time}. Where the bank learns later (posting, corrections, current values of an account), "
        f"scores of the past see too much.",
    )


def _currencies(portfolio: Portfolio) -> list[Finding]:
    usual = portfolio.currency.replace("'", "''")
    return counted(
        portfolio.connection,
        contracts()["accounts"],
        f"SELECT account_id AS example FROM accounts WHERE currency <> '{usual}'",
        code="currency_mix",
        severity="error",
        message=f"{{rows}} accounts are not in {portfolio.currency}. Amounts are compared and added up; convert "
        f"them, or deliver one portfolio per currency.",
    )


def _arrears(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Whether days past due can be computed, and whether the computed ones can agree with the reported ones."""
    statements = contracts()["statements"]
    example = key_of(statements.key)
    yield from counted(
        connection,
        statements,
        f"SELECT {example} AS example FROM statements WHERE minimum_due_cents IS NULL AND reported_dpd IS NULL",
        code="no_arrears_source",
        severity="warning",
        message="{rows} statements have neither minimum_due_cents nor reported_dpd: nothing is past due on their "
        "account of them. Deliver the minimum due, or do not ask for days on which they are the latest.",
    )
    yield from counted(
        connection,
        statements,
        "SELECT account_id AS example FROM statements GROUP BY account_id"
        " HAVING count(minimum_due_cents) BETWEEN 1 AND count(*) - 1",
        code="minimum_due_in_part",
        severity="warning",
        message="{rows} accounts have a minimum due on some statements only; on the others nothing counts as required. "
        "Fill the gaps, or leave the column empty so that reported_dpd is read.",
    )
    yield from counted(
        connection,
        statements,
        f"SELECT {example} AS example FROM (SELECT *, min(due_on) OVER (PARTITION BY account_id) AS first_due_on"
        " FROM statements) WHERE minimum_due_cents IS NOT NULL AND reported_dpd > 0"
        " AND reported_dpd > greatest(statement_on - first_due_on, 0) + 1",
        code="history_too_short",
        severity="warning",
        message="{rows} statements report more days past due than their account's first due day allows. Days past due "
        "are computed from minimum dues, so these accounts look younger in arrears than they are. Deliver older "
        "statements.",
    )
