"""A flag on an account that nobody decides holds for the customer's overdue one: in the plan, between plans, and in replay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scoring.features.builder import build
from scoring.ledger.replay import replay
from scoring.portfolio.reading import read_portfolio
from serving.archive import archived_tables
from serving.desk import Day, Desk, there
from serving.nightly import run_plan
from serving.opening import open_desk
from serving.wire import AccountHistory, AccountsRequest
from tests.serving.conftest import AS_OF, RECORDED_AT, Home, client_of, history_of
from tests.serving.test_deciding_stored import both_ways

NOW = RECORDED_AT + timedelta(hours=5)


@dataclass(frozen=True)
class Pair:
    """Two accounts of a customer: one not past due, the other overdue."""

    current: str
    overdue: str


@dataclass(frozen=True)
class Flagged:
    """A planned portfolio in which ``told`` has a flag on its current account, and ``untold`` has none."""

    home: Home
    desk: Desk
    told: Pair
    untold: Pair


def pairs_of(portfolio: Path) -> list[Pair]:
    given = read_portfolio(portfolio, threads=1)
    at = build(given, AS_OF, min_dpd=0).positions
    free = at[~at[["is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan"]].any(axis=1)]
    both = free[free["dpd"] == 0].merge(free[free["dpd"] > 0], on="customer_id").sort_values("account_id_x")
    flags = given.connection.sql("SELECT DISTINCT account_id FROM standings").df()["account_id"]
    plain = both[~both[["account_id_x", "account_id_y"]].isin(set(flags)).any(axis=1)].drop_duplicates("customer_id")
    return [Pair(*each) for each in plain[["account_id_x", "account_id_y"]].itertuples(index=False)]


@pytest.fixture(scope="module")
def flagged(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flagged]:
    root = tmp_path_factory.mktemp("flags")
    portfolio = shutil.copytree(home.portfolio, root / "portfolio")
    settings = replace(home.settings, home=shutil.copytree(home.untouched, root / "home"), state=str(root / "state.db"))
    told, untold, *_ = pairs_of(portfolio)
    standings = pd.read_parquet(portfolio / "standings.parquet", dtype_backend="pyarrow")
    began = pd.Timestamp(AS_OF - timedelta(days=10))
    row = {"account_id": told.current, "kind": "vulnerable", "from_at": began, "known_at": began}
    more = pd.DataFrame([{**dict.fromkeys(standings.columns), **row}]).astype(standings.dtypes.to_dict())
    pd.concat([standings, more]).to_parquet(portfolio / "standings.parquet")
    run = run_plan(portfolio, as_of=AS_OF, out=root / "out", home=settings.home, recorded_at=RECORDED_AT, threads=1)
    desk = open_desk(settings)
    yield Flagged(Home(settings, portfolio, run, home.untouched), desk, told, untold)
    desk.close()


def record_of(desk: Desk, row: dict[str, Any]) -> dict[str, Any]:
    return dict(there(desk.ledger).get(row["decision_id"]).body)


def flags_of(desk: Desk, row: dict[str, Any]) -> list[str]:
    return list(record_of(desk, row)["input"]["position"]["open_flags"])


def test_the_plan_records_the_flag_with_the_overdue_account(flagged: Flagged) -> None:
    told, untold = flagged.desk.decide(AccountsRequest(account_ids=[flagged.told.overdue, flagged.untold.overdue]), NOW)

    assert (told["trigger"], flags_of(flagged.desk, told)) == ("plan", ["vulnerable"])
    assert not told["explored"] and not told["holdout"]
    assert flags_of(flagged.desk, untold) == []


def test_between_plans_both_ways_of_deciding_an_account_alone_know_of_the_flag(flagged: Flagged) -> None:
    desk = flagged.desk
    assert isinstance(desk.day, Day) and desk.day.morning is not None

    for account_id in (flagged.told.overdue, flagged.told.current):
        longer, stored = both_ways(desk, account_id, desk.prices(NOW))
        assert stored.records == longer.records
        body = stored.records[0].body
        assert isinstance(body, bytes) and b'"open_flags":["vulnerable"]' in body
        alone = desk.day.morning.alone(desk.day.row_of[account_id])
        assert alone.standing.protected.all() and alone.standing.supported.all() and not alone.standing.holdout.any()


@pytest.mark.parametrize(("days", "flags"), [(5, ["vulnerable"]), (15, [])])
def test_on_an_earlier_day_the_flag_holds_if_it_was_known_then(flagged: Flagged, days: int, flags: list[str]) -> None:
    asked = AccountsRequest(account_ids=[flagged.told.overdue], as_of=AS_OF - timedelta(days=days))

    assert flags_of(flagged.desk, flagged.desk.decide(asked, NOW)[0]) == flags


def test_of_histories_in_a_request_the_accounts_that_came_with_it_count(flagged: Flagged) -> None:
    overdue = AccountHistory(**history_of(flagged.home, flagged.told.overdue, without=("standings",)))
    current = AccountHistory(**history_of(flagged.home, flagged.told.current))
    same_tables = AccountHistory(**history_of(flagged.home, flagged.told.overdue))

    def flags(*accounts: AccountHistory) -> list[list[str]]:
        rows = flagged.desk.decide(AccountsRequest(accounts=list(accounts), as_of=AS_OF), NOW)
        return [flags_of(flagged.desk, row) for row in rows]

    assert flags(overdue) == flags(same_tables) == [[]]
    assert flags(overdue, current) == flags(same_tables, current) == [["vulnerable"], ["vulnerable"]]


def test_a_flag_told_of_one_account_decides_the_customers_other_again(flagged: Flagged) -> None:
    pair = flagged.untold
    row = {"account_id": pair.current, "kind": "hardship", "from_at": NOW.isoformat()}
    with client_of(flagged.desk, clock=lambda: NOW) as client:
        told = client.post("/v1/outcomes", json={"outcomes": [{"key": "h1", "kind": "standing", "row": row}]})
        assert told.status_code == 200, told.text
        [again] = client.post("/v1/decisions", json={"account_ids": [pair.overdue]}).json()["decisions"]

    assert (again["trigger"], flags_of(flagged.desk, again)) == ("request", ["hardship"])


def test_every_decision_of_this_day_is_replayed_to_the_last_bit(flagged: Flagged) -> None:
    desk, tables = flagged.desk, archived_tables(flagged.home.settings.home)
    ledger = there(desk.ledger)
    live = [each.record_id for each in ledger.records(kind="decision") if each.body["trigger"] == "request"]

    found = replay(ledger, live, lambda _: desk.bundle(), tables)
    found += replay(ledger, None, lambda _: desk.bundle(), tables, batch_id=flagged.home.run.run_id)

    assert len(found) > 100
    assert [each.as_dict() for each in found if not each.is_exact] == []
