"""Rows that the nightly run kept are those that SQL cuts out of the portfolio, and nothing else is ever read in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from errno import ENOSPC
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.decisions.account_events import AccountEvents
from scoring.portfolio.contracts import contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.reading import SMALLEST, Portfolio, portfolio_from_tables, read_portfolio
from serving.current_plan import CurrentPlan
from serving.customer_rows import FEW, CustomerRows
from serving.desk import Desk, there
from serving.histories import Judged
from serving.kept_files import ROWS, ROWS_INDEX
from serving.kept_rows import KeptRows, keep_rows, kept_rows
from serving.nightly import run_plan
from serving.opening import open_desk
from serving.wire import AccountsRequest
from tests.serving.conftest import AS_OF, RECORDED_AT, Home, client_of

Kept = tuple[Path, Mapping[str, Any]]


@pytest.fixture
def kept(copied_plan: tuple[Path, CurrentPlan]) -> Kept:
    """A copy of the plan's folder, and what the plan states of its rows."""
    folder, plan = copied_plan
    return folder, plan.rows


@pytest.fixture(scope="module")
def portfolio(home: Home) -> Portfolio:
    return read_portfolio(home.portfolio, threads=1)


def customers(portfolio: Portfolio) -> list[str]:
    return [name for (name,) in portfolio.connection.execute("SELECT DISTINCT customer_id FROM accounts").fetchall()]


def test_the_rows_of_every_customer_are_those_of_sql_in_their_order(kept: Kept, portfolio: Portfolio) -> None:
    rows, by_sql = kept_rows(*kept), CustomerRows(portfolio)
    everybody = customers(portfolio)

    assert rows is not None and len(everybody) > 100
    for customer_id in everybody:
        assert rows.of([customer_id]) == by_sql.of([customer_id])
    assert list(rows.of([everybody[0]])) == sorted(portfolio.observed - {"protected"})
    assert rows.of([everybody[0]], ("payments",)) == by_sql.of([everybody[0]], ("payments",))


def test_a_stranger_has_no_rows(kept: Kept, portfolio: Portfolio) -> None:
    rows = kept_rows(*kept)

    assert rows is not None
    for stranger in ("", "nobody", "\U0010ffff"):
        assert rows.of([stranger]) == CustomerRows(portfolio).of([stranger])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    owners=st.lists(st.sampled_from(["", "C1", "C10", "C2", "c", "é", "\U0001f600"]), min_size=1, max_size=12),
    data=st.data(),
)
def test_customers_of_any_name_and_any_number_of_rows_are_told_apart(
    owners: list[str], data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the rows of one customer go on over several pages."""
    accounts = [{**SMALLEST["accounts"][0], "account_id": f"A{n}", "customer_id": one} for n, one in enumerate(owners)]
    paid = data.draw(st.lists(st.sampled_from([one["account_id"] for one in accounts]), max_size=40))
    payments = [{**SMALLEST["payments"][0], "payment_id": f"P{n}", "account_id": one} for n, one in enumerate(paid)]
    whole = portfolio_from_tables({**SMALLEST, "accounts": accounts, "payments": payments})
    monkeypatch.setattr("serving.kept_rows.PAGE_ROWS", data.draw(st.integers(1, 5)))

    rows = kept_rows(tmp_path, keep_rows(whole, tmp_path))

    assert rows is not None
    for customer_id in {*owners, "C", "C3"}:
        assert rows.of([customer_id]) == CustomerRows(whole).of([customer_id])
    whole.connection.close()


@pytest.mark.parametrize("name", [ROWS_INDEX, ROWS["payments"]])
def test_a_changed_byte_makes_them_unusable(kept: Kept, name: str) -> None:
    content = bytearray((kept[0] / name).read_bytes())
    content[len(content) // 2] ^= 1
    (kept[0] / name).write_bytes(content)

    assert kept_rows(*kept) is None


def test_rows_of_another_version_or_of_an_older_plan_are_asked_of_the_portfolio(kept: Kept) -> None:
    folder, facts = kept

    assert kept_rows(folder, {**facts, "version": "0"}) is None
    assert kept_rows(folder, {}) is None
    (folder / ROWS["payments"]).unlink()
    assert kept_rows(folder, facts) is None


def test_who_reads_an_older_plan_goes_on_when_its_files_are_removed(kept: Kept, portfolio: Portfolio) -> None:
    rows, someone = kept_rows(*kept), customers(portfolio)[0]
    for name in (ROWS_INDEX, *ROWS.values()):
        (kept[0] / name).unlink(missing_ok=True)

    assert isinstance(rows, KeptRows) and rows.of([someone]) == CustomerRows(portfolio).of([someone])


def test_a_file_that_is_cut_short_under_a_worker_is_not_missed(kept: Kept, portfolio: Portfolio) -> None:
    rows, everybody = CustomerRows(portfolio, kept_rows(*kept)), customers(portfolio)
    with (kept[0] / ROWS["payments"]).open("r+b") as file:
        file.truncate(500)

    assert [rows.of([one]) for one in everybody[:9]] == [CustomerRows(portfolio).of([one]) for one in everybody[:9]]


def test_a_plan_is_made_also_where_the_rows_cannot_be_kept(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, told = replace(home.settings, home=copytree(home.untouched, tmp_path / "home")), list[str]()

    def full(_: Portfolio, folder: Path) -> None:
        (folder / ROWS["payments"]).write_bytes(b"half of it")
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("serving.nightly.keep_rows", full)
    run_plan(
        home.portfolio, as_of=AS_OF, out=tmp_path / "out", home=own.home, recorded_at=RECORDED_AT, threads=1,
        progress=told.append,
    )  # fmt: skip

    desk = open_desk(own)
    assert desk.is_ready() and there(desk.day).rows.kept is None
    assert not list(own.home.glob("plans/*/rows_*"))
    assert "rows of customers could not be kept (OSError): the service will ask the portfolio for them" in told
    desk.close()


def test_several_customers_have_the_rows_that_sql_gives_them(desk: Desk, unkept_desk: Desk) -> None:
    everybody = customers(there(desk.day).portfolio)
    for some in (everybody[:7], everybody[: FEW + 5]):
        kept, by_sql = (there(one.day).rows.of(some) for one in (desk, unkept_desk))
        for name, table in by_sql.items():
            order = [(key, "ascending") for key in contracts()[name].key]
            assert kept[name].sort_by(order) == table.sort_by(order)


def test_accounts_on_another_day_are_judged_over_their_customers_as_over_the_whole_portfolio(desk: Desk) -> None:
    account_ids = desk.plan().decisions["account_id"].tolist()[:20]
    asked = AccountsRequest(account_ids=account_ids, as_of=date.fromordinal(AS_OF.toordinal() - 1))
    judge = partial(there(there(desk.day).policy).judge, as_of=asked.as_of)

    alone = desk.histories(asked, judge).parts[0].judged
    whole = judge(there(desk.day).portfolio, account_ids)

    assert (
        alone.lawful is not None and whole.lawful is not None and alone.events is not None and whole.events is not None
    )
    said = [one.tables[one.which].tobytes() for one in (alone.lawful, whole.lawful)]
    assert said[0] == said[1] and alone.lawful.rule_ids == whole.lawful.rule_ids
    assert (alone.lawful.open == whole.lawful.open).all() and (alone.lawful.reachable == whole.lawful.reachable).all()
    for field in fields(AccountEvents):
        one, other = (getattr(judged.events, field.name) for judged in (alone, whole))
        if field.name == "observed":
            assert one == other - {"protected"}  # which only an audit reads
        elif isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(in_order(one), in_order(other))
        else:
            np.testing.assert_equal(one, other, field.name)


def test_what_is_judged_on_another_day_is_a_database_of_its_own_that_goes_with_the_answer(desk: Desk) -> None:
    """A worker's connection to the portfolio would keep a little of every such question, for as long as it lives."""
    asked = AccountsRequest(
        account_ids=desk.plan().decisions["account_id"].tolist()[:1], as_of=date.fromordinal(AS_OF.toordinal() - 1)
    )
    seen: list[Portfolio] = []

    def judge(judged: Portfolio, account_ids: list[str]) -> Judged:
        seen.append(judged)
        assert judged.folder is None and asked.account_ids == account_ids
        return Judged()

    desk.histories(asked, judge)

    with pytest.raises(duckdb.ConnectionException):
        seen[0].connection.execute("SELECT 1")


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order of their own: SQL promises none."""
    return rows.sort_values(list(rows.columns), ignore_index=True)


def test_decisions_on_another_day_are_the_same_to_the_id(desk: Desk, unkept_desk: Desk) -> None:
    account_ids = desk.plan().decisions["account_id"].tolist()[20:30]
    body = {"account_ids": account_ids, "as_of": date.fromordinal(AS_OF.toordinal() - 1).isoformat()}

    kept, by_sql = (client_of(one).post("/v1/decisions", json=body) for one in (desk, unkept_desk))

    assert (kept.status_code, kept.content) == (200, by_sql.content)


def test_tables_without_rows_are_kept_too(tmp_path: Path) -> None:
    whole = portfolio_from_tables({**SMALLEST, "contacts": inline_table(contracts()["contacts"], [])})

    rows = kept_rows(tmp_path, keep_rows(whole, tmp_path))

    assert (
        rows is not None and rows.of(["C1"]) == CustomerRows(whole).of(["C1"]) and not len(rows.of(["C1"])["contacts"])
    )
    whole.connection.close()
