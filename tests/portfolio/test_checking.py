"""The data check says everything at once, by table, count and id, and drops nothing."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoring.errors import PortfolioError
from scoring.portfolio.checking import check
from scoring.portfolio.findings import Finding
from scoring.portfolio.reading import portfolio_from_tables, read_portfolio
from tests.portfolio.sample_portfolio import Row, sample_tables, write_sample

SAMPLE = sample_tables()


def changed(table: str, place: int = 0, **values: Any) -> dict[str, list[Row]]:
    """The sample with one row changed."""
    rows = [dict(row) for row in SAMPLE[table]]
    rows[place] |= values
    return SAMPLE | {table: rows}


def added(table: str, *rows: Row) -> dict[str, list[Row]]:
    return SAMPLE | {table: [*SAMPLE[table], *rows]}


def findings(tables: dict[str, list[Row]]) -> dict[tuple[str, str], Finding]:
    """By code and table, without what every inline history is told: that its extract day is assumed."""
    found = check(portfolio_from_tables(tables))
    return {(f.code, f.table): f for f in found if f.code != "extract_day_assumed"}


def only(found: dict[tuple[str, str], Finding]) -> Finding:
    assert len(found) == 1, sorted(found)
    return next(iter(found.values()))


def test_the_sample_has_nothing_to_report(tmp_path: Path):
    write_sample(tmp_path)

    assert check(read_portfolio(tmp_path)) == []


FIRST_PAYMENT, FIRST_STATEMENT = SAMPLE["payments"][0], SAMPLE["statements"][0]


@pytest.mark.parametrize(
    ("tables", "code", "table", "example"),
    [
        (changed("payments", kind="gift"), "unknown_kind", "payments", "P-A0001-00"),
        (changed("accounts", channel_addresses="sms,pigeon"), "unknown_kind", "accounts", "A0001"),
        (changed("payments", amount_cents=-1), "out_of_range", "payments", "P-A0001-00"),
        (
            changed("assignments", propensity=1.5),
            "out_of_range",
            "assignments",
            SAMPLE["assignments"][0]["assignment_id"],
        ),
        (changed("payments", amount_cents=None), "missing_value", "payments", "P-A0001-00"),
        (changed("accounts", product=""), "missing_value", "accounts", "A0001"),
        (changed("payments", account_id="A9999"), "orphan", "payments", "P-A0001-00"),
        (changed("protected", customer_id="C9999"), "orphan", "protected", "C9999"),
        (added("payments", FIRST_PAYMENT), "duplicate_key", "payments", "P-A0001-00"),
        (added("payments", FIRST_PAYMENT | {"payment_id": "P-again"}), "duplicate_content", "payments", "P-A0001-00"),
        (changed("payments", known_at=None), "known_at_missing", "payments", "P-A0001-00"),
        (
            changed("payments", known_at=FIRST_PAYMENT["paid_at"] - timedelta(days=2)),
            "known_before_event",
            "payments",
            "P-A0001-00",
        ),
        (changed("accounts", currency="USD"), "currency_mix", "accounts", "A0001"),
        (
            changed("payments", reversed_at=FIRST_PAYMENT["paid_at"] - timedelta(seconds=1)),
            "impossible_order",
            "payments",
            "P-A0001-00",
        ),
        (changed("payments", reversal_known_at=datetime(2025, 3, 1)), "incomplete", "payments", "P-A0001-00"),
        (
            changed("statements", due_on=FIRST_STATEMENT["statement_on"] - timedelta(days=1)),
            "impossible_order",
            "statements",
            "A0001 / 2024-06-03",
        ),
        (changed("statements", minimum_due_cents=None), "minimum_due_in_part", "statements", "A0001"),
        (changed("statements", reported_dpd=40), "history_too_short", "statements", "A0001 / 2024-06-03"),
    ],
)
def test_one_fault_gives_its_finding_with_the_id_of_the_row(
    tables: dict[str, list[Row]], code: str, table: str, example: str
):
    found = findings(tables)

    assert found[code, table].examples == (example,)
    assert found[code, table].rows == 1
    assert found[code, table].message.endswith(".")


def test_the_right_direction_of_time_and_kinds_gives_no_finding():
    tables = changed("payments", reversed_at=FIRST_PAYMENT["paid_at"], reversal_known_at=FIRST_PAYMENT["paid_at"])

    assert findings(tables) == {}


def test_a_promise_for_the_same_local_day_is_in_order_though_utc_is_a_day_ahead():
    promise = SAMPLE["promises"][0]
    late_evening_in_america = datetime.combine(promise["due_on"] + timedelta(days=1), datetime.min.time()) + timedelta(
        hours=3
    )
    tables = changed("promises", made_at=late_evening_in_america, known_at=late_evening_in_america)

    assert findings(tables) == {}


def test_a_row_after_the_extract_day_is_reported(tmp_path: Path):
    write_sample(tmp_path)
    text = (tmp_path / "portfolio.toml").read_text()
    (tmp_path / "portfolio.toml").write_text(text.replace("2025-06-30", "2025-06-25"))

    found = {(f.code, f.table): f for f in check(read_portfolio(tmp_path))}

    assert ("future_row", "statements") in found
    assert "after the extract day 2025-06-25" in found["future_row", "statements"].message


def test_events_before_the_account_was_opened_are_reported_for_every_table():
    found = findings(changed("accounts", 6, opened_on=date(2025, 5, 20)))

    assert {table for code, table in found if code == "before_opening"} >= {"statements", "payments", "assignments"}


def test_periods_of_the_same_flag_must_not_overlap_but_may_touch():
    first = {
        "account_id": "A0002",
        "kind": "illness",
        "from_at": datetime(2025, 1, 1),
        "until_at": datetime(2025, 2, 1),
    }
    first |= {"known_at": datetime(2025, 1, 1)}
    touching = first | {"from_at": datetime(2025, 2, 1), "until_at": None, "known_at": datetime(2025, 2, 1)}
    inside = first | {"from_at": datetime(2025, 1, 31), "until_at": None, "known_at": datetime(2025, 2, 1)}

    assert findings(added("standings", first, touching)) == {}
    assert only(findings(added("standings", first, inside))).examples == ("A0002 / illness / 2025-01-31 00:00:00",)


def test_an_account_loaded_under_two_ids_is_reported():
    def twin(rows: list[Row]) -> list[Row]:
        copied = [row | {"account_id": "A0099"} for row in rows if row["account_id"] == "A0005"]
        return [row | {"payment_id": f"{row['payment_id']}-b"} if "payment_id" in row else row for row in copied]

    tables = SAMPLE | {name: SAMPLE[name] + twin(SAMPLE[name]) for name in ("accounts", "statements", "payments")}

    assert only(findings(tables)).code == "twin_accounts"


def test_statements_without_any_sign_of_arrears_are_reported():
    tables = SAMPLE | {"statements": [row | {"minimum_due_cents": None} for row in SAMPLE["statements"]]}

    assert only(findings(tables)).code == "no_arrears_source"


def test_every_finding_comes_in_one_run_errors_first():
    tables = changed("payments", kind="gift") | {"statements": changed("statements", known_at=None)["statements"]}
    tables |= {"accounts": changed("accounts", 3, currency="USD")["accounts"]}

    found = [(f.severity, f.code) for f in check(portfolio_from_tables(tables))]

    assert found == [
        ("error", "currency_mix"),
        ("error", "unknown_kind"),
        ("warning", "extract_day_assumed"),
        ("warning", "known_at_missing"),
    ]


def test_examples_are_at_most_five_ids_and_the_count_is_whole():
    tables = SAMPLE | {"payments": [row | {"kind": "gift"} for row in SAMPLE["payments"]]}

    finding = findings(tables)["unknown_kind", "payments"]

    assert finding.rows == len(SAMPLE["payments"])
    assert len(finding.examples) == 5


def test_unknown_columns_and_files_are_reported_not_refused(tmp_path: Path):
    write_sample(tmp_path)
    (tmp_path / "payment.csv").write_text("a\n1\n")
    accounts = (tmp_path / "accounts.csv").read_text().splitlines()
    (tmp_path / "accounts.csv").write_text("\n".join([accounts[0] + ",mood", *(line + ",x" for line in accounts[1:])]))

    assert [(f.code, f.examples) for f in check(read_portfolio(tmp_path))] == [
        ("unknown_column", ("mood",)),
        ("unknown_file", ("payment.csv",)),
    ]


def test_empty_required_tables_are_reported():
    found = check(portfolio_from_tables(SAMPLE | {"statements": []}))

    assert ("error", "empty_table", "statements") in [(f.severity, f.code, f.table) for f in found]


def test_a_file_that_is_broken_behind_its_header_is_a_refusal_not_a_trace(tmp_path: Path):
    write_sample(tmp_path)
    portfolio = read_portfolio(tmp_path)
    portfolio.connection.execute("DROP TABLE payments").fetchall()

    with pytest.raises(PortfolioError, match="cannot be read to their end"):
        check(portfolio)


def test_checking_changes_nothing(tmp_path: Path):
    tables = changed("payments", kind="gift")
    portfolio = portfolio_from_tables(tables)
    before = portfolio.connection.execute("FROM payments").fetchall()

    check(portfolio)

    assert portfolio.connection.execute("FROM payments").fetchall() == before
