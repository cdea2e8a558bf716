"""The public file *Default of Credit Card Clients* (Taiwan, April to September 2005) as event tables.

One wide row per account holds six bills, six payments and six monthly statuses; nothing says when a value was known.
All that has to be assumed for turning it into events stands here and nowhere else:

- Column number k counts back: k = 1 is September 2005, k = 6 is April. ``PAY_0`` is status 1; there is no ``PAY_1``.
- Bill k is cut on the last day of its month and falls due 20 days later. The days are ours, the months are the
source's.
- ``PAY_AMT_k`` is made in month k and pays bill k + 1. It is dated on that bill's due day at 12:00 UTC, kind
``voluntary``.
  ``PAY_AMT_6`` pays the March bill, which the file does not have. Nothing says how a payment was started; none was
  returned.
- Status k + 1 is what became of bill k + 1: it is to be had the day after that bill's due day, hence it is the newest
  status when bill k is cut. ``reported_dpd`` of bill k is therefore taken from status k + 1, never from status k, which
  the payment of the *following* month decides: with it, a score sees the future (AUC 0.99 instead of 0.79). Bill 6 has
  none.
- Status s >= 1 means s months late: ``reported_dpd`` = 30 (s - 1) + days from the last missed due day to the statement
day
  (10 or 11), which lands inside bucket M(s). s <= 0 means nothing overdue.
- No minimum due, purchases, contacts, promises or inflows: left out, hence not observed.
- The day of opening is unknown; 2004-09-30 stands for it, a year before the last bill. No feature should lean on it.
- The last month observed is September. The extract day 2005-10-11 makes the window after the August bill (30 days and
10
  for posting) the last one that counts as complete; a later one would turn October, which is not in the file, into
  "nobody paid".
- Amounts are whole New Taiwan dollars, written as hundredths.
"""

# ruff: noqa: S608  names in SQL are constants of this module.
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

import duckdb
import ibis

from scoring.errors import BadRequestError, MissingToolError, PortfolioError
from scoring.portfolio.casting import conversion, quoted, refuse_falsified
from scoring.portfolio.contracts import Column, TableContract, contracts
from scoring.portfolio.files import SETTINGS_FILE, read_csv_as_text, read_settings
from scoring.portfolio.known import attach_known

SOURCE: Final = "uci-credit-card"
CURRENCY: Final = "TWD"
OPENED_ON: Final = date(2004, 9, 30)
EXTRACT_ON: Final = date(2005, 10, 11)
DAYS_TO_PAY: Final = 20
STATEMENT_ON: Final[Mapping[int, date]] = MappingProxyType(
    {k: date(2005, 11 - k, 1) - timedelta(days=1) for k in range(1, 8)}
)
"""k -> day bill k was cut: 1 is 2005-09-30, 6 is 2005-04-30; 7 is the March bill, of which only the payment is
there."""

STATUS_COLUMNS: Final[Mapping[int, str]] = MappingProxyType({1: "PAY_0"} | {k: f"PAY_{k}" for k in range(2, 7)})
_LABELS: Final = {
    "SEX": {1: "male", 2: "female"},
    "EDUCATION": {1: "graduate school", 2: "university", 3: "high school", 4: "others"},
    "MARRIAGE": {1: "married", 2: "single", 3: "others"},
}
COLUMNS: Final = (
    *("ID", "LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE"),
    *STATUS_COLUMNS.values(),
    *(f"BILL_AMT{k}" for k in range(1, 7)),
    *(f"PAY_AMT{k}" for k in range(1, 7)),
)
"""What is read from the file; the target column is not, for it is not an event of the six months."""


def due_on(k: int) -> date:
    """The day bill k falls due.

    >>> due_on(2)
    datetime.date(2005, 9, 20)
    """
    return STATEMENT_ON[k] + timedelta(days=DAYS_TO_PAY)


def ingest_uci_credit_card(csv: Path, out: Path, *, status_shift: int = 1) -> list[str]:
    """Write accounts, statements, payments and protected as Parquet, with ``portfolio.toml``; all of them or nothing.

    Parameters
    ----------
    csv : Path
        ``UCI_Credit_Card.csv`` as published.
    out : Path
        A folder that does not exist, is empty, or holds an earlier output of this function, which is replaced.
    status_shift : {1, 0}
        Bill k carries status k + ``status_shift``. 0 is the layout that leaks: it exists so that a test can show that
        it is refused.

    Returns
    -------
    list of str
        What was written, and what is odd about the source, one sentence each.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: the file is missing or unreadable, lacks columns, holds a value that is no whole number, an
        id twice or a negative payment.
    FutureEventError
        ``future_event``: with ``status_shift=0``, for every status would be attached before it was to be had.
    BadRequestError
        ``bad_request``: ``out`` holds something else; nothing is overwritten.
    MissingToolError
        ``missing_requirement``: ``out`` cannot be written.

    Examples
    --------
    >>> ingest_uci_credit_card(Path("nowhere.csv"), Path("events"))
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: nowhere.csv is not there. Download 'Default of Credit Card Clients' as CSV and give \
its path.
    """
    if status_shift not in (0, 1):
        raise BadRequestError(f"status_shift is {status_shift}; it is 1 (safe) or 0 (refused).", field="status_shift")
    _refuse_foreign(out)
    connection = _typed_source(csv)
    backend = ibis.duckdb.from_connection(connection)
    bills = backend.sql(_bills_sql(status_shift), schema=_BILL_SCHEMA)
    late = (bills.status - 1) * 30 + bills.days_since_missed
    statements = attach_known(
        bills,
        "reported_dpd",
        ibis.cases((bills.status >= 1, late), (bills.status <= 0, 0)).cast("int64"),
        bills.status_at,
        contract=contracts()["statements"],
    ).drop("status", "status_at", "days_since_missed")
    tables = {
        "accounts": _accounts_sql(),
        "statements": f"SELECT * FROM ({ibis.to_sql(statements, dialect='duckdb')}) ORDER BY account_id, statement_on",
        "payments": _payments_sql(),
        "protected": _protected_sql(),
    }
    notes = _write_all(connection, tables, out)
    return notes + _oddities(connection)


def _typed_source(csv: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the table ``source``: the columns that are used, as whole numbers, none missing."""
    if not csv.is_file():
        raise PortfolioError(
            f"{csv} is not there. Download 'Default of Credit Card Clients' as CSV and give its path.",
            field="csv",
            got=str(csv),
        )
    connection = duckdb.connect()
    text = read_csv_as_text(csv)
    missing = [name for name in COLUMNS if name not in text.column_names]
    if missing:
        raise PortfolioError(
            f"{csv.name} has no column {', '.join(missing)}; it has {', '.join(text.column_names)}. Give the file as "
            f"published, with the names of its header line unchanged.",
            field=missing[0],
            got=text.column_names,
            expected=list(COLUMNS),
        )
    connection.register("text", text.select(list(COLUMNS)))
    whole = {name: Column(name, "int64", "whole number") for name in COLUMNS}
    contract = TableContract(csv.name, "account", True, ("ID",), whole)
    refuse_falsified(connection, contract, "text", dict.fromkeys(COLUMNS, "VARCHAR"))
    values = ", ".join(f"{conversion(column, 'VARCHAR').value} AS {quoted(name)}" for name, column in whole.items())
    connection.execute(f"CREATE TABLE source AS SELECT {values} FROM text")
    _refuse_rows(connection, csv)
    return connection


def _refuse_rows(connection: duckdb.DuckDBPyConnection, csv: Path) -> None:
    absent = " OR ".join(f"{quoted(name)} IS NULL" for name in COLUMNS)
    negative = " OR ".join(f"PAY_AMT{k} < 0" for k in range(1, 7))
    faults = {
        "has an empty field": f"SELECT ID FROM source WHERE {absent}",
        "has a negative payment": f"SELECT ID FROM source WHERE {negative}",
        "occurs more than once": "SELECT ID FROM source GROUP BY ID HAVING count(*) > 1",
    }
    for fault, sql in faults.items():
        [(count, first)] = connection.execute(f"SELECT count(*), min(ID) FROM ({sql})").fetchall()
        if count:
            raise PortfolioError(
                f"{csv.name}: the row with ID {first} {fault} ({count} in all). The published file has none such; "
                f"download it again.",
                field="ID",
                got=first,
            )


_BILL_SCHEMA: Final = ibis.schema(
    {
        "account_id": "string",
        "statement_on": "date",
        "due_on": "date",
        "balance_cents": "int64",
        "minimum_due_cents": "int64",
        "known_at": "timestamp(6)",
        "status": "int64",
        "status_at": "timestamp(6)",
        "days_since_missed": "int64",
    }
)
_ACCOUNT_ID: Final = "'U' || lpad(CAST(ID AS VARCHAR), 5, '0')"
_CUSTOMER_ID: Final = "'C' || lpad(CAST(ID AS VARCHAR), 5, '0')"


def _bills_sql(status_shift: int) -> str:
    """Six rows per account, with the status each would carry and the instant from which that was to be had."""
    bills = []
    for k in range(1, 7):
        status = STATUS_COLUMNS.get(k + status_shift, "CAST(NULL AS BIGINT)")
        to_be_had = due_on(k + status_shift) + timedelta(days=1)
        bills.append(
            f"SELECT {_ACCOUNT_ID} AS account_id, DATE '{STATEMENT_ON[k]}' AS statement_on, DATE '{due_on(k)}' AS "
            f"due_on, BILL_AMT{k} * 100 AS balance_cents, CAST(NULL AS BIGINT) AS minimum_due_cents, TIMESTAMP "
            f"'{STATEMENT_ON[k]}' AS known_at, {status} AS status, TIMESTAMP '{to_be_had}' AS status_at, "
            f"CAST({(STATEMENT_ON[k] - due_on(k + 1)).days} AS BIGINT) AS days_since_missed FROM source"
        )
    return " UNION ALL ".join(bills)


def _accounts_sql() -> str:
    return (
        f"SELECT {_ACCOUNT_ID} AS account_id, {_CUSTOMER_ID} AS customer_id, 'credit card' AS product, "
        f"DATE '{OPENED_ON}' AS opened_on, LIMIT_BAL * 100 AS credit_limit_cents, '{CURRENCY}' AS currency, "
        f"'Asia/Taipei' AS timezone, TIMESTAMP '{OPENED_ON}' AS known_at FROM source ORDER BY account_id"
    )


def _payments_sql() -> str:
    payments = " UNION ALL ".join(
        f"SELECT {_ACCOUNT_ID} || '-{due_on(k + 1):%Y%m}' AS payment_id, {_ACCOUNT_ID} AS account_id, "
        f"TIMESTAMP '{due_on(k + 1)} 12:00:00' AS paid_at, PAY_AMT{k} * 100 AS amount_cents, 'voluntary' AS kind, "
        f"TIMESTAMP '{due_on(k + 1)} 12:00:00' AS known_at FROM source WHERE PAY_AMT{k} > 0"
        for k in range(1, 7)
    )
    return f"SELECT * FROM ({payments}) ORDER BY account_id, paid_at"


def _protected_sql() -> str:
    sex, education, marriage = (_labelled(name, codes) for name, codes in _LABELS.items())
    return (
        f"SELECT {_CUSTOMER_ID} AS customer_id, {sex}, 2005 - AGE AS birth_year, {education}, {marriage} "
        f"FROM source ORDER BY customer_id"
    )


def _labelled(name: str, codes: Mapping[int, str]) -> str:
    cases = " ".join(f"WHEN {code} THEN '{label}'" for code, label in codes.items())
    return f"CASE {name} {cases} ELSE 'undocumented ' || {name} END AS {name.lower()}"


def _oddities(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Sentences on what is odd about the source and was kept as it is."""
    negative = " + ".join(f"(BILL_AMT{k} < 0)::INT" for k in range(1, 7))
    [(bills, codes)] = connection.execute(
        f"SELECT sum({negative}), count(*) FILTER (WHERE EDUCATION NOT IN (1, 2, 3, 4)) FROM source"
    ).fetchall()
    [(twins,)] = connection.execute(
        "SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT * EXCLUDE (ID) FROM source)) FROM source"
    ).fetchall()
    return [
        f"{bills:,} bills are negative: credit balances, kept.",
        f"{codes:,} customers have an undocumented education code: kept as such.",
        f"{twins:,} accounts equal another one in everything but the id: kept.",
        "Minimum due, purchases, contacts, promises and inflows are not in the source: not observed.",
    ]


def _settings_text() -> str:
    return f'extract_on = {EXTRACT_ON}\nsource     = "{SOURCE}"\ncurrency   = "{CURRENCY}"\n'


def _write_all(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str], out: Path) -> list[str]:
    """Every table in a folder beside ``out``, which takes its place only when it is whole."""
    partial = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        notes = [_write(connection, name, sql, partial) for name, sql in tables.items()]
        (partial / SETTINGS_FILE).write_text(_settings_text(), encoding="utf-8")
        _put_in_place(partial, out)
    except (OSError, duckdb.IOException) as error:
        raise MissingToolError(
            f"{out} cannot be written ({type(error).__name__}). Check that its parent is a folder with free space "
            f"and write permission. Nothing was changed.",
            field="out",
            got=str(out),
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return notes


def _write(connection: duckdb.DuckDBPyConnection, name: str, sql: str, folder: Path) -> str:
    path = str(folder / f"{name}.parquet").replace("'", "''")
    [(rows,)] = connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)").fetchall()
    return f"{name}: {rows:,} rows."


_WRITTEN: Final = {"accounts.parquet", "statements.parquet", "payments.parquet", "protected.parquet", SETTINGS_FILE}


def _refuse_foreign(out: Path) -> None:
    """Refuse a place that holds anything but this adapter's own earlier output."""
    if not out.exists():
        return
    there = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    is_ours = out.is_dir() and there <= _WRITTEN and read_settings(out).get("source") == SOURCE
    if there and not is_ours:
        raise BadRequestError(
            f"{out} holds something else ({', '.join(sorted(there)[:3])}), and nothing is overwritten. Give an empty "
            f"or new folder.",
            field="out",
            got=sorted(there)[:3],
            expected="an empty or new folder",
        )


def _put_in_place(partial: Path, out: Path) -> None:
    """Rename the finished folder to its place; an earlier output is set aside first and removed last."""
    partial.chmod(0o755)
    if not out.exists():
        partial.rename(out)
        return
    aside = partial.with_name(f"{partial.name}-old")
    out.rename(aside)
    try:
        partial.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside)
