"""Whatever is delivered is either read faithfully or refused by table, column and value; never guessed."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.errors import AsOfError, BadRequestError, PortfolioError
from scoring.portfolio.contracts import contracts, duckdb_columns
from scoring.portfolio.reading import SMALLEST, Portfolio, portfolio_from_tables, read_portfolio
from tests.portfolio.sample_portfolio import write_sample

ACCOUNTS = (
    "account_id,customer_id,product,opened_on,credit_limit_cents,currency\n007,C1,classic,2024-01-01,100000,CNY\n"
)
STATEMENTS = "account_id,statement_on,due_on,balance_cents,minimum_due_cents\n007,2025-03-05,2025-03-25,5000,\n"
PAYMENTS = "payment_id,account_id,paid_at,amount_cents,kind\nP1,007,2025-03-09T01:00:00+08:00,100,voluntary\n"


def csv_folder(folder: Path, accounts: str = ACCOUNTS, statements: str = STATEMENTS, payments: str = PAYMENTS) -> Path:
    for name, text in (("accounts", accounts), ("statements", statements), ("payments", payments)):
        (folder / f"{name}.csv").write_bytes(text.encode())
    return folder


def rows(portfolio: Portfolio, sql: str) -> list[tuple[object, ...]]:
    return portfolio.connection.execute(sql).fetchall()


def test_every_contract_table_is_there_with_every_contract_column_in_its_type(tmp_path: Path):
    portfolio = read_portfolio(csv_folder(tmp_path))

    for name, contract in contracts().items():
        described = {row[0]: row[1] for row in rows(portfolio, f"DESCRIBE {name}")}
        assert list(described.items()) == list(duckdb_columns(contract).items())


def test_an_absent_table_is_empty_and_not_observed(tmp_path: Path):
    portfolio = read_portfolio(csv_folder(tmp_path))

    assert portfolio.observed == {"accounts", "statements", "payments"}
    assert rows(portfolio, "SELECT count(*) FROM contacts") == [(0,)]
    assert rows(portfolio, "SELECT accounts, contacts, protected FROM observed") == [(True, False, False)]


def test_csv_is_read_faithfully(tmp_path: Path):
    portfolio = read_portfolio(csv_folder(tmp_path))

    assert rows(portfolio, "SELECT account_id, credit_limit_cents FROM accounts") == [("007", 100000)]
    assert rows(portfolio, "SELECT minimum_due_cents FROM statements") == [(None,)]


def test_an_instant_with_an_offset_becomes_utc(tmp_path: Path):
    portfolio = read_portfolio(csv_folder(tmp_path))

    assert rows(portfolio, "SELECT paid_at FROM payments") == [(datetime(2025, 3, 8, 17, 0),)]


def test_every_cursor_reads_in_utc(tmp_path: Path):
    portfolio = read_portfolio(csv_folder(tmp_path))

    assert portfolio.connection.cursor().execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path, newline: str):
    plain = read_portfolio(csv_folder(tmp_path))
    other = read_portfolio(csv_folder(tmp_path, "\ufeff" + ACCOUNTS.replace("\n", newline)))

    assert rows(plain, "FROM accounts") == rows(other, "FROM accounts")


@pytest.mark.parametrize(
    ("table", "old", "new", "named"),
    [
        ("payments", ",100,", ",12.5,", ("payments", "amount_cents", "12.5", "int64")),
        ("payments", ",100,", ",1_0,", ("payments", "amount_cents", "1_0", "int64")),
        ("payments", ",100,", ",99999999999999999999,", ("payments", "amount_cents", "99999999999999999999", "int64")),
        ("payments", "2025-03-09T01:00:00+08:00", "09/03/2025", ("payments", "paid_at", "09/03/2025", "timestamp")),
        ("statements", "2025-03-25", "2025-02-31", ("statements", "due_on", "2025-02-31", "date")),
        ("statements", "2025-03-25", "2025-03-25T10:00:00", ("statements", "due_on", "2025-03-25T10:00:00", "date")),
        ("statements", "2025-03-25", "infinity", ("statements", "due_on", "infinity", "date")),
    ],
)
def test_a_value_that_would_be_falsified_is_refused_by_name(
    tmp_path: Path, table: str, old: str, new: str, named: tuple[str, ...]
):
    texts = {"accounts": ACCOUNTS, "statements": STATEMENTS, "payments": PAYMENTS}
    texts[table] = texts[table].replace(old, new)

    with pytest.raises(PortfolioError) as caught:
        read_portfolio(csv_folder(tmp_path, **texts))

    assert all(name in caught.value.message for name in named)
    assert caught.value.field == f"{named[0]}.{named[1]}"


@pytest.mark.parametrize(
    ("column", "array", "read"),
    [
        ("amount_cents", pa.array([5], pa.int32()), 5),
        ("amount_cents", pa.array([5.0]), 5),
        ("paid_at", pa.array([1740787200000000000], pa.timestamp("ns")), datetime(2025, 3, 1)),
        ("paid_at", pa.array([datetime(2025, 3, 1)], pa.timestamp("us", tz="Asia/Shanghai")), datetime(2025, 3, 1)),
        ("paid_at", pa.array([date(2025, 3, 1)]), datetime(2025, 3, 1)),
        ("account_id", pa.array([7], pa.int64()), "7"),
        ("kind", pa.array(["voluntary"]).dictionary_encode(), "voluntary"),
        ("known_at", pa.nulls(1), None),
        ("known_at", pa.nulls(1, pa.int64()), None),
    ],
)
def test_parquet_types_that_hold_the_same_value_are_taken(tmp_path: Path, column: str, array: pa.Array, read: object):
    portfolio = read_portfolio(parquet_payments(tmp_path, column, array))

    assert rows(portfolio, f"SELECT {column} FROM payments") == [(read,)]


@pytest.mark.parametrize(
    ("column", "array", "shown"),
    [
        ("amount_cents", pa.array([5.5]), "5.5"),
        ("amount_cents", pa.array([2**63], pa.uint64()), "9223372036854775808"),
        ("paid_at", pa.array([17], pa.int64()), "17"),
        ("account_id", pa.array([7.0]), "7.0"),
        ("kind", pa.array([True]), "true"),
    ],
)
def test_parquet_types_that_would_change_the_value_are_refused(
    tmp_path: Path, column: str, array: pa.Array, shown: str
):
    with pytest.raises(PortfolioError, match=f"Table payments, column {column}: 1 value cannot be read") as caught:
        read_portfolio(parquet_payments(tmp_path, column, array))

    assert caught.value.got == shown


def parquet_payments(folder: Path, column: str, array: pa.Array) -> Path:
    csv_folder(folder)
    (folder / "payments.csv").unlink()
    columns = {
        "payment_id": pa.array(["P1"]),
        "account_id": pa.array(["007"]),
        "paid_at": pa.array([datetime(2025, 3, 1)], pa.timestamp("us")),
        "amount_cents": pa.array([100]),
        "kind": pa.array(["voluntary"]),
    }
    pq.write_table(pa.table(columns | {column: array}), folder / "payments.parquet")
    return folder


def test_folder_names_are_taken_literally(tmp_path: Path):
    folder = tmp_path / "a[1] * 'b'" / "as_of=2025-01-01"
    folder.mkdir(parents=True)

    portfolio = read_portfolio(parquet_payments(folder, "kind", pa.array(["voluntary"])))

    assert portfolio.ignored == {}
    assert rows(portfolio, "SELECT kind FROM payments") == [("voluntary",)]


def test_a_missing_table_is_named_with_what_to_deliver(tmp_path: Path):
    (csv_folder(tmp_path) / "payments.csv").unlink()

    with pytest.raises(PortfolioError, match=r"Table payments is missing.*Deliver payments.parquet"):
        read_portfolio(tmp_path)


def test_a_missing_column_is_named_with_its_meaning(tmp_path: Path):
    with pytest.raises(
        PortfolioError, match=r"Table payments has no column kind; it has .*why the amount was credited"
    ):
        read_portfolio(csv_folder(tmp_path, payments=PAYMENTS.replace("kind", "sort")))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Empty CSV file"),
        (b"payment_id,account_id\nP1\n", r"Row #2: Expected 2 columns"),
        (b"payment_id,account_id\nP1,\xff\xfe\n", "UTF8"),
        (b"payment_id,payment_id\nP1,P1\n", "twice"),
    ],
)
def test_an_unreadable_file_is_named_and_its_rows_are_not_quoted(tmp_path: Path, content: bytes, why: str):
    (csv_folder(tmp_path) / "payments.csv").write_bytes(content)

    with pytest.raises(PortfolioError, match=why) as caught:
        read_portfolio(tmp_path)

    assert "payments.csv" in caught.value.message
    assert "P1" not in caught.value.message


def test_a_broken_parquet_file_is_named(tmp_path: Path):
    (csv_folder(tmp_path) / "payments.csv").unlink()
    (tmp_path / "payments.parquet").write_bytes(b"PAR1 but no footer")

    with pytest.raises(PortfolioError, match=r"payments\.parquet cannot be read"):
        read_portfolio(tmp_path)


def test_a_table_given_twice_is_refused(tmp_path: Path):
    (csv_folder(tmp_path) / "payments.parquet").write_bytes(b"")

    with pytest.raises(PortfolioError, match="payments is there twice"):
        read_portfolio(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(PortfolioError, match="holds no Parquet or CSV file"):
        read_portfolio(tmp_path)


def test_columns_and_files_outside_the_contract_are_ignored_and_remembered(tmp_path: Path):
    (csv_folder(tmp_path, ACCOUNTS.replace("currency", "currency,mood").replace("CNY", "CNY,sunny")))
    (tmp_path / "payment.csv").write_text("a\n1\n")

    assert read_portfolio(tmp_path).ignored == {"": ("payment.csv",), "accounts": ("mood",)}


def test_a_duckdb_file_reads_like_the_folder_it_was_made_from(tmp_path: Path):
    write_sample(tmp_path / "sample")
    folder = read_portfolio(tmp_path / "sample")
    with duckdb.connect(tmp_path / "sample.duckdb") as file:
        for path in sorted((tmp_path / "sample").glob("*.csv")):
            file.execute(f"CREATE TABLE {path.stem} AS FROM read_csv('{path}')")
        file.execute("CREATE TABLE elsewhere AS SELECT 1 AS a")

    database = read_portfolio(tmp_path / "sample.duckdb")

    assert database.observed == folder.observed
    for name in contracts():
        assert rows(database, f"FROM {name} ORDER BY ALL") == rows(folder, f"FROM {name} ORDER BY ALL")


def test_the_extract_day_is_the_stated_one_else_the_latest_known(tmp_path: Path):
    assert read_portfolio(csv_folder(tmp_path)).extract_on == date(2025, 3, 8)

    (tmp_path / "portfolio.toml").write_text('extract_on = 2025-04-30\nsource = "bank"\ncurrency = "EUR"\n')
    stated = read_portfolio(tmp_path)

    assert (stated.extract_on, stated.source, stated.currency) == (date(2025, 4, 30), "bank", "EUR")
    assert stated.extract_is_declared


@pytest.mark.parametrize(
    "text",
    ['extract_on = "2025-04-30"', "extracted_on = 2025-04-30", "extract_on = ", "extract_on = 2025-04-30T10:00:00"],
)
def test_a_wrong_portfolio_toml_is_refused(tmp_path: Path, text: str):
    (csv_folder(tmp_path) / "portfolio.toml").write_text(text)

    with pytest.raises(PortfolioError, match=r"portfolio\.toml"):
        read_portfolio(tmp_path)


def test_the_fingerprint_changes_with_any_byte_and_with_nothing_else(tmp_path: Path):
    first = read_portfolio(csv_folder(tmp_path)).fingerprint

    assert read_portfolio(csv_folder(tmp_path)).fingerprint == first
    assert read_portfolio(csv_folder(tmp_path, payments=PAYMENTS.replace(",100,", ",101,"))).fingerprint != first


def test_a_day_after_the_extract_is_refused():
    with pytest.raises(AsOfError, match="after the extract day 2025-04-01"):
        portfolio_from_tables(SMALLEST).known_on(date(2025, 4, 2))


def test_a_memory_limit_that_is_no_size_is_refused(tmp_path: Path):
    with pytest.raises(BadRequestError, match="memory_limit 'lots'"):
        read_portfolio(csv_folder(tmp_path), memory_limit="lots")


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("paid_at", "yesterday", "row 0: xxxxxxxxx is not timestamp"),
        ("amount_cents", 12.5, "row 0: 12.5 is not int64"),
        ("amount_cents", "100", "row 0: 100 is not int64"),
        ("amount_cents", True, "row 0: True is not int64"),
        ("kind", {"a": 1}, "row 0"),
    ],
)
def test_an_inline_value_of_the_wrong_type_is_refused_by_row(column: str, value: object, why: str):
    payment = dict(SMALLEST["payments"][0]) | {column: value}

    with pytest.raises(PortfolioError, match=why):
        portfolio_from_tables(dict(SMALLEST) | {"payments": [payment]})


def test_inline_rows_and_arrow_tables_give_the_same_tables():
    rows_given = portfolio_from_tables(SMALLEST)
    arrow = {name: rows_given.connection.sql(f"FROM {name}").to_arrow_table() for name in SMALLEST}

    arrow_given = portfolio_from_tables(arrow)

    for name in SMALLEST:
        assert rows(arrow_given, f"FROM {name}") == rows(rows_given, f"FROM {name}")


def test_an_empty_inline_list_is_observed_and_an_absent_one_is_not():
    portfolio = portfolio_from_tables(dict(SMALLEST) | {"payments": [], "contacts": []})

    assert portfolio.observed == {"accounts", "statements", "payments", "contacts"}
    assert rows(portfolio, "SELECT count(*) FROM payments") == [(0,)]
