"""The public file becomes event tables in which no value stands before the day it was to be had."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from datetime import date, datetime
from pathlib import Path

import pytest

from scoring.errors import BadRequestError, FutureEventError, MissingToolError, PortfolioError
from scoring.portfolio.checking import check
from scoring.portfolio.leakage import status_findings
from scoring.portfolio.reading import read_portfolio
from scoring.portfolio.uci_credit_card import COLUMNS, EXTRACT_ON, STATEMENT_ON, due_on, ingest_uci_credit_card
from scoring.vocabulary import Bucket, bucket_of
from tests.portfolio.real_data import dataset

FILE = "uci_credit_card_default/UCI_Credit_Card.csv"
HEADER = ",".join([*COLUMNS, "default.payment.next.month"])
# id, limit, sex, education, marriage, age, statuses 1 to 6, bills 1 to 6, payments 1 to 6, target
PAYS = "1,20000,2,2,1,24,0,0,0,0,0,0,900,800,700,600,500,400,80,70,60,50,40,30,0"
FALLS_BEHIND = "2,50000,1,5,0,41,3,2,1,0,-1,-2,900,800,700,600,500,-5,0,0,0,50,40,0,1"


def tiny(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "tiny.csv"
    path.write_text("\n".join([header, *(lines or (PAYS, FALLS_BEHIND))]) + "\n")
    return path


def ingested(folder: Path, sql: str) -> list[tuple[object, ...]]:
    ingest_uci_credit_card(tiny(folder), folder / "events")
    return read_portfolio(folder / "events").connection.execute(sql).fetchall()


def test_a_bill_carries_the_status_of_the_bill_before_it_as_days_past_due(tmp_path: Path):
    found = ingested(
        tmp_path, "SELECT statement_on, reported_dpd FROM statements WHERE account_id = 'U00002' ORDER BY 1"
    )

    assert found == [
        (date(2005, 4, 30), None),  # the March bill is not in the file
        (date(2005, 5, 31), 0),  # PAY_6 = -2
        (date(2005, 6, 30), 0),  # PAY_5 = -1
        (date(2005, 7, 31), 0),  # PAY_4 = 0
        (date(2005, 8, 31), 11),  # PAY_3 = 1: the July bill fell due on 20 August
        (date(2005, 9, 30), 40),  # PAY_2 = 2
    ]


def test_a_status_of_s_months_lands_in_bucket_s_on_every_statement_day(tmp_path: Path):
    for k in range(1, 6):
        late = (STATEMENT_ON[k] - due_on(k + 1)).days
        assert [bucket_of(30 * (s - 1) + late) for s in range(1, 7)] == list(Bucket)[1:7]


def test_a_payment_is_dated_on_the_due_day_of_the_bill_it_pays(tmp_path: Path):
    found = ingested(
        tmp_path, "SELECT paid_at, amount_cents, kind FROM payments WHERE account_id = 'U00002' ORDER BY 1"
    )

    assert found == [
        (datetime(2005, 5, 20, 12), 4_000, "voluntary"),
        (datetime(2005, 6, 20, 12), 5_000, "voluntary"),
    ]


def test_amounts_are_hundredths_and_what_the_source_lacks_is_missing(tmp_path: Path):
    found = ingested(
        tmp_path,
        "SELECT balance_cents, due_on, minimum_due_cents, purchases_cents FROM statements"
        " WHERE account_id = 'U00002' AND statement_on = '2005-04-30'",
    )

    assert found == [(-500, date(2005, 5, 20), None, None)]


def test_protected_values_are_kept_apart_as_recorded(tmp_path: Path):
    assert ingested(tmp_path, "FROM protected ORDER BY customer_id") == [
        ("C00001", "female", 1981, "university", "married"),
        ("C00002", "male", 1964, "undocumented 5", "undocumented 0"),
    ]


def test_the_output_passes_the_check_but_for_what_the_source_lacks(tmp_path: Path):
    ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events")
    portfolio = read_portfolio(tmp_path / "events")

    assert (portfolio.extract_on, portfolio.currency) == (EXTRACT_ON, "TWD")
    assert [(f.code, f.severity) for f in check(portfolio)] == [("no_arrears_source", "warning")]


def test_the_last_complete_window_is_the_one_after_the_august_bill():
    complete = [k for k in range(1, 7) if STATEMENT_ON[k].toordinal() + 30 + 10 < EXTRACT_ON.toordinal()]

    assert min(complete) == 2


def test_the_layout_that_leaks_is_refused_and_nothing_is_written(tmp_path: Path):
    with pytest.raises(FutureEventError, match=r"statements, column reported_dpd, row U00001 / 2005-04-30") as caught:
        ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events", status_shift=0)

    assert "from 2005-05-21 00:00:00" in caught.value.message
    assert "known at 2005-04-30 00:00:00 (12 rows in all)" in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.csv"]


def test_writing_again_replaces_its_own_output_and_gives_the_same_bytes(tmp_path: Path):
    ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events")
    first = {path.name: path.read_bytes() for path in (tmp_path / "events").iterdir()}

    ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events")

    assert {path.name: path.read_bytes() for path in (tmp_path / "events").iterdir()} == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events", "tiny.csv"]


@pytest.mark.parametrize("there", ["notes.txt", "accounts.parquet"])
def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path, there: str):
    out = tmp_path / "events"
    out.mkdir()
    (out / there).write_text("mine")

    with pytest.raises(BadRequestError, match="nothing is overwritten"):
        ingest_uci_credit_card(tiny(tmp_path), out)

    assert [path.name for path in out.iterdir()] == [there]


def test_an_output_to_which_a_file_was_added_is_left_alone(tmp_path: Path):
    ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events")
    (tmp_path / "events" / "notes.txt").write_text("mine")

    with pytest.raises(BadRequestError, match="nothing is overwritten"):
        ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events")


@pytest.mark.parametrize(
    ("lines", "header", "why"),
    [
        ((PAYS,), HEADER.replace("PAY_0", "PAY_1"), "has no column PAY_0; it has ID"),
        (
            (PAYS.replace(",24,", ",young,"),),
            HEADER,
            "column AGE: 1 value cannot be read as int64 without loss, for example 'young'",
        ),
        ((PAYS.replace(",24,", ",,"),), HEADER, "ID 1 has an empty field"),
        ((PAYS, PAYS), HEADER, r"ID 1 occurs more than once \(1 in all\)"),
        ((PAYS.replace(",30,0", ",-30,0"),), HEADER, "ID 1 has a negative payment"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_refused_by_name(
    tmp_path: Path, lines: tuple[str, ...], header: str, why: str
):
    with pytest.raises(PortfolioError, match=why):
        ingest_uci_credit_card(tiny(tmp_path, *lines, header=header), tmp_path / "events")

    assert not (tmp_path / "events").exists()


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(MissingToolError, match="cannot be written"):
        ingest_uci_credit_card(tiny(tmp_path), tmp_path / "file" / "events")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "tiny.csv"]


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(PortfolioError, match=r"nowhere\.csv is not there"):
        ingest_uci_credit_card(tmp_path / "nowhere.csv", tmp_path / "events")


def test_a_shift_that_means_nothing_is_refused(tmp_path: Path):
    with pytest.raises(BadRequestError, match="status_shift is 2"):
        ingest_uci_credit_card(tiny(tmp_path), tmp_path / "events", status_shift=2)


@pytest.mark.real_data
def test_the_published_file_is_ingested_whole(tmp_path: Path):
    csv = dataset(FILE, "the published file is ingested whole")

    notes = ingest_uci_credit_card(csv, tmp_path / "events")
    portfolio = read_portfolio(tmp_path / "events")

    assert notes[:2] == ["accounts: 30,000 rows.", "statements: 180,000 rows."]
    assert [(f.code, f.rows) for f in check(portfolio)] == [("twin_accounts", 52), ("no_arrears_source", 30_000)]


@pytest.mark.real_data
def test_the_published_file_is_refused_in_the_layout_that_leaks(tmp_path: Path):
    csv = dataset(FILE, "the unshifted layout of the published file is refused")

    with pytest.raises(FutureEventError, match="180000 rows in all"):
        ingest_uci_credit_card(csv, tmp_path / "events", status_shift=0)


@pytest.mark.real_data
def test_the_canary_sings_for_the_leaking_layout_and_not_for_the_safe_one(tmp_path: Path):
    csv = dataset(FILE, "the canary tells the safe from the leaking layout of the published file")
    ingest_uci_credit_card(csv, tmp_path / "events")
    portfolio = read_portfolio(tmp_path / "events")
    assert status_findings(portfolio.connection) == []

    # Smuggle the leak past the guard: every bill now carries the status that belongs to the bill after it.
    portfolio.connection.execute(
        "CREATE TABLE early AS SELECT * REPLACE ("
        "lead(reported_dpd) OVER (PARTITION BY account_id ORDER BY statement_on) AS reported_dpd) FROM statements"
    ).fetchall()
    portfolio.connection.execute("CREATE OR REPLACE VIEW statements AS FROM early").fetchall()

    [finding] = status_findings(portfolio.connection)
    assert (finding.code, finding.severity) == ("status_knows_the_future", "error")
    assert "only 0.9% had a reported_dpd of 0 by then, against 83.8% of all" in finding.message


@pytest.mark.real_data
def test_the_events_of_the_published_file_give_the_measured_cohort_and_its_payers(tmp_path: Path):
    csv = dataset(FILE, "the August cohort has 4,213 overdue accounts of which 74.3 % pay")
    ingest_uci_credit_card(csv, tmp_path / "events")
    portfolio = read_portfolio(tmp_path / "events")
    known = portfolio.known_on(date(2005, 8, 31))["statements"]
    overdue = known.filter(known.statement_on == date(2005, 8, 31), known.reported_dpd > 0, known.balance_cents > 0)

    later = portfolio.tables()["payments"]
    window = later.filter(later.paid_at >= datetime(2005, 9, 1), later.paid_at < datetime(2005, 10, 1))
    paying = overdue.semi_join(window, "account_id")

    assert overdue.count().to_pyarrow().as_py() == 4_213
    assert round(paying.count().to_pyarrow().as_py() / 4_213, 3) == 0.743
