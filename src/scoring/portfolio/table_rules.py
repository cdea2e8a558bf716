"""Rules that compare rows: keys that occur twice, rows without a parent, periods that overlap, content that repeats."""

# ruff: noqa: S608  names in SQL come from the contracts and are quoted.
from __future__ import annotations

import duckdb

from scoring.portfolio.casting import quoted
from scoring.portfolio.contracts import TableContract, contracts
from scoring.portfolio.findings import Finding, counted, key_of


def table_findings(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    """What the rows of one table say about each other and about their accounts.

    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> twice = [*SMALLEST["payments"], *SMALLEST["payments"]]
    >>> connection = portfolio_from_tables(SMALLEST | {"payments": twice}).connection
    >>> [f.code for f in table_findings(connection, contracts()["payments"])]
    ['duplicate_key', 'duplicate_content']
    """
    return [
        *duplicate_keys(connection, contract),
        *_orphans(connection, contract),
        *_before_opening(connection, contract),
        *_overlaps(connection, contract),
        *_repeats(connection, contract),
    ]


def _any_repeat(connection: duckdb.DuckDBPyConnection, contract: TableContract, columns: str) -> bool:
    """Whether two rows may be equal in ``columns``, judged by hash: nearly no portfolio has any, and grouping is slow.

    A collision of hashes only costs the exact query that follows.
    """
    [(rows, distinct)] = connection.execute(
        f"SELECT count(*), count(DISTINCT hash({columns})) FROM {quoted(contract.table)}"
    ).fetchall()
    return bool(rows > distinct)


def duplicate_keys(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    """Keys of a table that occur more than once; at most one finding.

    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> duplicate_keys(portfolio_from_tables(SMALLEST).connection, contracts()["payments"])
    []
    """
    columns = ", ".join(quoted(name) for name in contract.key)
    if not _any_repeat(connection, contract, columns):
        return []
    return counted(
        connection,
        contract,
        f"SELECT {key_of(contract.key)} AS example FROM {quoted(contract.table)} GROUP BY {columns} HAVING count(*) > "
        f"1",
        code="duplicate_key",
        severity="error",
        message=f"{{rows}} keys ({', '.join(contract.key)}) of {contract.table} occur more than once, so amounts "
        f"would count twice. Keep one row per {contract.one_row_per}.",
    )


def _orphans(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    if contract.parent is None:
        return []
    column, parent = quoted(contract.parent.column), contract.parent
    return counted(
        connection,
        contract,
        f"SELECT {key_of(contract.key, 'child')} AS example FROM {quoted(contract.table)} AS child ANTI JOIN "
        f"{quoted(parent.table)} AS parent ON child.{column} = parent.{column} WHERE child.{column} IS NOT NULL",
        code="orphan",
        severity="error",
        message=f"{{rows}} rows of {contract.table} name a {parent.column} that {parent.table} does not have. "
        f"Deliver the missing {parent.table}, or cut both tables from the same population.",
    )


def _before_opening(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    if not contract.starts_with_account or contract.event_time is None:
        return []
    # A day of tolerance where the event is an instant: opened_on is a local day.
    slack = " - INTERVAL 1 DAY" if contract.columns[contract.event_time].type == "timestamp" else ""
    return counted(
        connection,
        contract,
        f"SELECT {key_of(contract.key, 'child')} AS example FROM {quoted(contract.table)} AS child "
        f"JOIN accounts USING (account_id) WHERE child.{quoted(contract.event_time)} < accounts.opened_on{slack}",
        code="before_opening",
        severity="error",
        message=f"{{rows}} rows of {contract.table} happened before their account was opened. Correct opened_on, or "
        f"the account they belong to.",
    )


def _overlaps(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    if contract.no_overlap is None:
        return []
    periods = contract.no_overlap
    by = ", ".join(quoted(name) for name in periods.by)
    start, end = quoted(periods.start), quoted(periods.end)
    earlier = f"PARTITION BY {by} ORDER BY {start}, {end} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    return counted(
        connection,
        contract,
        f"SELECT {key_of(contract.key)} AS example FROM {quoted(contract.table)} "
        f"QUALIFY max(coalesce({end}, TIMESTAMP 'infinity')) OVER ({earlier}) > {start}",
        code="overlap",
        severity="error",
        message=f"{{rows}} rows of {contract.table} begin while an earlier one with the same "
        f"{' and '.join(periods.by)} still holds. Close the earlier one ({periods.end}), or merge them.",
    )


def _repeats(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> list[Finding]:
    if not contract.repeats:
        return []
    columns, listed = ", ".join(quoted(name) for name in contract.repeats), ", ".join(contract.repeats)
    if not _any_repeat(connection, contract, columns):
        return []
    return counted(
        connection,
        contract,
        f"SELECT min({key_of(contract.key)}) AS example FROM {quoted(contract.table)} "
        f"GROUP BY {columns} HAVING count(*) > 1",
        code="duplicate_content",
        severity="warning",
        message=f"{{rows}} times, rows of {contract.table} under different keys are equal in {listed}. "
        f"Check that one {contract.one_row_per} was not loaded twice.",
    )


def twin_accounts(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Accounts whose limit and whole history of at least three non-zero statements equal another account's.

    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> twin_accounts(portfolio_from_tables(SMALLEST).connection)
    []
    """
    statement = "hash(statement_on, due_on, balance_cents, minimum_due_cents, reported_dpd)"
    return counted(
        connection,
        contracts()["accounts"],
        f"WITH history AS (  SELECT account_id, sum({statement}) AS content, count(*) FILTER (WHERE balance_cents <> "
        f"0) AS billed  FROM statements GROUP BY account_id), paid AS (  SELECT account_id, sum(hash(paid_at, "
        f"amount_cents, kind)) AS content FROM payments GROUP BY account_id) SELECT min(account_id) AS example FROM "
        f"accounts JOIN history USING (account_id) LEFT JOIN paid USING (account_id) WHERE billed >= 3 GROUP BY "
        f"credit_limit_cents, history.content, paid.content HAVING count(*) > 1",
        code="twin_accounts",
        severity="warning",
        message="{rows} groups of accounts have the same limit, statements and payments to the cent. Check that an "
        "account was not loaded under two ids; twins on both sides of a training split leak.",
    )
