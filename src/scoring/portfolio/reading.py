"""Reading event tables into one DuckDB connection where every contract table exists, typed as its contract says.

A Parquet file stays a view (nothing is copied, types are judged from its metadata); CSV is parsed once. Optional
columns that are absent read as null, absent tables as empty, and the one-row table ``observed`` tells which tables
were there: an absent table means *not observed*, never zero.
"""

# ruff: noqa: S608  names in SQL come from the contracts and are quoted; values are bound.
from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import ibis
import pyarrow as pa

from scoring.errors import AsOfError, BadRequestError, PortfolioError
from scoring.portfolio.casting import conversion, quoted, refuse_falsified
from scoring.portfolio.contracts import TableContract, contracts, duckdb_columns, ibis_schema
from scoring.portfolio.files import (
    SETTINGS_FILE,
    fingerprint_of,
    nothing_to_read,
    read_csv_as_text,
    read_settings,
    table_files,
    unreadable,
)
from scoring.portfolio.inline import inline_table
from scoring.portfolio.known import known_on

if TYPE_CHECKING:
    from ibis.expr import types as ir

DATABASE_SUFFIXES: Final = (".duckdb", ".db", ".ddb")


@dataclass(frozen=True)
class Portfolio:
    """Event tables, readable through one DuckDB connection.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds every contract table under its own name, and ``observed`` with one boolean column per contract table.
    observed : frozenset of str
        Tables that were delivered, even if empty.
    extract_on : date
        The last day the data can speak about.
    currency : str
        ISO 4217 code: the declared one, else the most frequent one in ``accounts``, else ``""``.
    fingerprint : str
        SHA-256 over the delivered files in name order, in hexadecimal digits.
    folder : Path or None
        Where the tables came from; None for inline histories.
    extract_is_declared : bool
        Whether the extract day was stated, not derived from the latest event.
    source : str
        Where the data came from, as ``portfolio.toml`` says.
    ignored : mapping of str to tuple of str
        Table -> delivered columns outside the contract; under ``""`` the files that are no contract table.
    """

    connection: duckdb.DuckDBPyConnection
    observed: frozenset[str]
    extract_on: date
    currency: str
    fingerprint: str
    folder: Path | None
    extract_is_declared: bool = False
    source: str = ""
    ignored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def tables(self) -> dict[str, ir.Table]:
        """The contract tables as Ibis tables bound to the connection.

        Their schemas are the contracts', so no query is needed to build them.

        >>> sorted(portfolio_from_tables(SMALLEST).tables())[:2]
        ['accounts', 'assignments']
        """
        backend = ibis.duckdb.from_connection(self.connection)
        return {
            name: ibis.expr.operations.DatabaseTable(name=name, schema=ibis_schema(contract), source=backend).to_expr()
            for name, contract in contracts().items()
        }

    def known_on(self, as_of: date) -> dict[str, ir.Table]:
        """The tables as known by the end of ``as_of``; see :func:`scoring.portfolio.known.known_on`.

        Raises
        ------
        AsOfError
            ``as_of_out_of_range``: after the extract day, where days would look eventless that were only not delivered.

        Examples
        --------
        >>> portfolio_from_tables(SMALLEST).known_on(date(2025, 5, 1))
        Traceback (most recent call last):
        ...
        scoring.errors.AsOfError: as_of 2025-05-01 is after the extract day 2025-04-01: nothing is known of the days \
between. Choose an earlier day, or load a later extract.
        """
        known = known_on(as_of, self.tables())
        if as_of > self.extract_on:
            raise AsOfError(
                f"as_of {as_of} is after the extract day {self.extract_on}: nothing is known of the days between. "
                f"Choose an earlier day, or load a later extract.",
                field="as_of",
                got=str(as_of),
                expected=f"at most {self.extract_on}",
            )
        return known


def read_portfolio(folder: Path, *, threads: int | None = None, memory_limit: str | None = None) -> Portfolio:
    """Event tables from a folder of Parquet or CSV files, or from a DuckDB database file.

    Parameters
    ----------
    folder : Path
        One file per table, named as its contract: ``accounts.parquet`` or ``accounts.csv``. ``portfolio.toml`` may
        state ``extract_on``, ``source`` and ``currency``; without it the extract day is the latest day anything was
        known.
    threads : int, optional
        DuckDB's threads; its own choice if None.
    memory_limit : str, optional
        DuckDB's limit, e.g. ``"2GB"``.

    Returns
    -------
    Portfolio

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: nothing there, a required table or column missing, a file unreadable, a value of the wrong
        type. Names table, column and an example value, and says what to deliver.

    Examples
    --------
    >>> read_portfolio(Path("nowhere"))
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: nowhere is not there, so no event tables can be read. Give a folder with \
accounts, payments and statements as Parquet or CSV files, or a DuckDB file.
    """
    if not folder.exists():
        raise nothing_to_read(folder, "is not there")
    connection = _connect(threads, memory_limit)
    try:
        if folder.is_file():
            files, sources, settings = [folder], _attached(connection, folder), {}
        else:
            files = table_files(folder)
            sources = {path.stem: _file_source(connection, path) for path in files if path.stem in contracts()}
            settings = read_settings(folder)
            files += [folder / SETTINGS_FILE] if settings else []
        strangers = tuple(path.name for path in files if path.suffix != ".toml" and path.stem not in contracts())
        ignored = {"": strangers} if strangers and folder.is_dir() else {}
        return _portfolio(connection, sources, settings, fingerprint_of(files), folder, ignored)
    except duckdb.Error as error:
        connection.close()
        raise unreadable(folder, error) from error


def portfolio_from_tables(tables: Mapping[str, pa.Table | Sequence[Mapping[str, Any]]]) -> Portfolio:
    """A portfolio from tables in memory: Arrow tables, or lists of rows as they come in a request.

    Parameters
    ----------
    tables : mapping of contract name to Arrow table or list of rows
        In rows, days and instants may be ISO 8601 texts; instants with an offset become UTC.

    Returns
    -------
    Portfolio
        ``folder`` is None. Tables that were not given are not observed; an empty list is an observed, empty table.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: unknown or missing table, missing column, wrong value (with its row number from 0).

    Examples
    --------
    >>> given = portfolio_from_tables(SMALLEST)
    >>> given.extract_on, sorted(given.observed)
    (datetime.date(2025, 4, 1), ['accounts', 'payments', 'statements'])
    >>> portfolio_from_tables({"debts": []})
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: debts is no event table. Known tables: accounts, payments, statements, assignments, \
consents, contacts, inflows, promises, protected, standings.
    """
    unknown = sorted(set(tables) - set(contracts()))
    if unknown:
        raise PortfolioError(
            f"{', '.join(unknown)} is no event table. Known tables: {', '.join(contracts())}.",
            field=unknown[0],
            got=unknown,
            expected=list(contracts()),
        )
    connection = _connect(1, None, reads_files=False)
    digest = hashlib.sha256()
    sources = {}
    for name in sorted(tables):
        given = tables[name]
        table = given if isinstance(given, pa.Table) else inline_table(contracts()[name], given)
        sources[name] = f"inline_{name}"
        connection.register(sources[name], table)
        digest.update(name.encode() + b"\0")
        with pa.ipc.new_stream(pa.output_stream(sink := pa.BufferOutputStream()), table.schema) as stream:
            stream.write_table(table.combine_chunks())
        digest.update(sink.getvalue())
    return _portfolio(connection, sources, {}, digest.hexdigest(), None, {})


SMALLEST: Final[dict[str, list[dict[str, Any]]]] = {
    "accounts": [
        {
            "account_id": "A1",
            "customer_id": "C1",
            "product": "classic",
            "opened_on": "2024-01-15",
            "credit_limit_cents": 500_000,
            "currency": "CNY",
        }
    ],
    "statements": [
        {
            "account_id": "A1",
            "statement_on": "2025-03-05",
            "due_on": "2025-03-25",
            "balance_cents": 120_000,
            "minimum_due_cents": 12_000,
        }
    ],
    "payments": [
        {
            "payment_id": "P1",
            "account_id": "A1",
            "paid_at": "2025-04-01T09:00:00+08:00",
            "amount_cents": 5_000,
            "kind": "voluntary",
        }
    ],
}
"""The least that is a portfolio: one account, one statement, one payment. For examples."""


def _connect(threads: int | None, memory_limit: str | None, *, reads_files: bool = True) -> duckdb.DuckDBPyConnection:
    """A database in memory. One that reads no files needs none of the threads that read ahead, which cost time to start."""
    connection = duckdb.connect() if reads_files else duckdb.connect(config={"async_threads": 0})
    connection.execute("SET GLOBAL TimeZone = 'UTC'").fetchall()  # for every cursor, whatever the machine's zone
    if threads is not None:
        connection.execute(f"SET threads = {int(threads)}")
    if memory_limit is not None:
        try:
            connection.execute("SET memory_limit = ?", [memory_limit])
        except duckdb.Error as error:
            raise BadRequestError(
                f"memory_limit {memory_limit!r} is not a size. Give a number with a unit, e.g. '2GB'.",
                field="memory_limit",
                got=memory_limit,
                expected="e.g. 2GB",
            ) from error
    return connection


def _file_source(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """SQL that stands for the delivered rows of one file."""
    if path.suffix == ".parquet":
        # Taken literally: no wildcards, and no columns from folder names such as 'as_of=2025-01-01'.
        literal = re.sub(r"([\[*?])", r"[\1]", str(path.resolve())).replace("'", "''")
        source = f"read_parquet('{literal}', hive_partitioning = false)"
        try:
            connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # reads the footer only
        except duckdb.Error as error:
            raise unreadable(path, error) from error
        return source
    connection.register(f"csv_{path.stem}", read_csv_as_text(path))
    return f"csv_{path.stem}"


def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    if path.suffix not in DATABASE_SUFFIXES:
        raise nothing_to_read(path, f"is a file, but not a DuckDB database ({', '.join(DATABASE_SUFFIXES)})")
    try:
        literal = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{literal}' AS delivered (READ_ONLY)")
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    rows = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'delivered' AND table_schema = 'main'"
    ).fetchall()
    return {name: f"delivered.main.{quoted(name)}" for (name,) in sorted(rows) if name in contracts()}


def _portfolio(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, str],
    settings: Mapping[str, Any],
    fingerprint: str,
    folder: Path | None,
    ignored: Mapping[str, tuple[str, ...]],
) -> Portfolio:
    missing = [name for name, contract in contracts().items() if contract.required and name not in sources]
    if missing:
        raise PortfolioError(
            f"Table {missing[0]} is missing. accounts, payments and statements are required, for without them nothing "
            f"can be said about days past due; found: {', '.join(sorted(sources)) or 'none'}. Deliver "
            f"{', '.join(f'{name}.parquet (or .csv)' for name in missing)}; a table may be empty.",
            field=missing[0],
            got=sorted(sources),
            expected=[name for name, contract in contracts().items() if contract.required],
        )
    extra = dict(ignored)
    for name, contract in contracts().items():
        columns = _install(connection, contract, sources.get(name))
        if columns:
            extra[name] = columns
    flags = ", ".join(f"{str(name in sources).lower()} AS {quoted(name)}" for name in contracts())
    connection.execute(f"CREATE TABLE observed AS SELECT {flags}")
    return Portfolio(
        connection=connection,
        observed=frozenset(sources),
        extract_on=settings.get("extract_on") or _latest_day(connection, sources),
        currency=settings.get("currency") or _usual_currency(connection),
        fingerprint=fingerprint,
        folder=folder,
        extract_is_declared="extract_on" in settings,
        source=settings.get("source", ""),
        ignored=extra,
    )


def _install(connection: duckdb.DuckDBPyConnection, contract: TableContract, source: str | None) -> tuple[str, ...]:
    """Create the table under its contract name; the delivered columns that the contract does not know."""
    if source is None:
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in duckdb_columns(contract).items())
        connection.execute(f"CREATE TABLE {quoted(contract.table)} ({columns})")
        return ()
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    types = {row[0]: row[1] for row in described}
    _refuse_missing_columns(contract, types)
    refuse_falsified(connection, contract, source, types)
    values = ", ".join(
        f"{conversion(column, types[name]).value if name in types else f'CAST(NULL AS {column.duckdb_type})'} "
        f"AS {quoted(name)}"
        for name, column in contract.columns.items()
    )
    kind = "VIEW" if source.startswith(("read_parquet", "delivered")) else "TABLE"
    connection.execute(f"CREATE {kind} {quoted(contract.table)} AS SELECT {values} FROM {source}")
    if kind == "TABLE":
        connection.unregister(source)
    return tuple(sorted(set(types) - set(contract.columns)))


def _refuse_missing_columns(contract: TableContract, types: Mapping[str, str]) -> None:
    missing = [name for name, column in contract.columns.items() if column.required and name not in types]
    if missing:
        raise PortfolioError(
            f"Table {contract.table} has no column {', '.join(missing)}; it has {', '.join(types)}. Deliver "
            f"{'; '.join(f'{name}: {contract.columns[name].meaning}' for name in missing)}.",
            field=f"{contract.table}.{missing[0]}",
            got=list(types),
            expected=[name for name, column in contract.columns.items() if column.required],
        )


def _latest_day(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, str]) -> date:
    """The latest day on which anything happened or became known."""
    latest = []
    for name in sources:
        contract = contracts()[name]
        times = [time for time in (contract.event_time, "known_at") if time and contract.has(time)]
        latest += [f"(SELECT max(CAST({quoted(time)} AS TIMESTAMP)) FROM {quoted(name)})" for time in times]
    [(instant,)] = connection.execute(f"SELECT greatest({', '.join(latest)})").fetchall()
    if instant is None:
        raise PortfolioError(
            "No table holds a single event, so there is no extract day. Deliver events, or state extract_on in "
            f"{SETTINGS_FILE}.",
            field="extract_on",
        )
    day: date = instant.date()
    return day


def _usual_currency(connection: duckdb.DuckDBPyConnection) -> str:
    rows = connection.execute(
        "SELECT currency FROM accounts WHERE currency IS NOT NULL "
        "GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1"
    ).fetchall()
    return str(rows[0][0]) if rows else ""
