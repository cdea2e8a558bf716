"""Scores over HTTP are the numbers of the plan and of Python, to the last bit, and say why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from scoring.errors import ContributionsError
from scoring.features.builder import build_for
from scoring.portfolio.reading import read_portfolio
from scoring.scores.pins import load_champion
from scoring.scores.scores import score
from serving.degraded import Condition
from serving.desk import Desk
from serving.shapes import ScoreAnswer
from tests.serving.conftest import AS_OF, Home, client_of, history_of

EARLIER = date(2026, 8, 15)


def scored(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/score", json=body)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["scores"]
    return rows


def assert_same_bits(rows: list[dict[str, Any]], table: pd.DataFrame) -> None:
    for name in table.columns:
        if name != "as_of":
            assert [row[name] for row in rows] == table[name].tolist(), name


def test_http_python_and_the_plan_give_the_same_numbers_to_the_last_bit(
    client: TestClient, home: Home, account_ids: list[str]
) -> None:
    asked = account_ids[:40]

    rows = scored(client, account_ids=asked)

    planned = pd.read_parquet(home.run.out / "scores.parquet").set_index("account_id", drop=False).loc[asked]
    frame = build_for(read_portfolio(home.portfolio, threads=1), AS_OF, tuple(asked))
    python = score(load_champion(home.settings.home)[1], frame)
    assert_same_bits(rows, planned)
    assert_same_bits(rows, python.table)
    assert [row["explained"]["willingness"]["margin"] for row in rows] == python.margins["willingness"].tolist()


def test_a_history_in_the_request_scores_as_the_stored_one(
    client: TestClient, home: Home, account_ids: list[str]
) -> None:
    asked = account_ids[:3]

    rows = scored(client, accounts=[history_of(home, a) for a in asked], as_of=AS_OF.isoformat())

    assert rows == scored(client, account_ids=asked)


def test_another_day_of_a_stored_account_is_what_python_says(
    client: TestClient, home: Home, account_ids: list[str]
) -> None:
    asked = account_ids[:3]

    rows = scored(client, account_ids=asked, as_of=EARLIER.isoformat())

    frame = build_for(read_portfolio(home.portfolio, threads=1), EARLIER, tuple(asked))
    assert_same_bits(rows, score(load_champion(home.settings.home)[1], frame).table)
    assert {row["as_of"] for row in rows} == {EARLIER.isoformat()}


def test_a_table_that_only_one_account_comes_with_does_not_change_the_other(
    client: TestClient, home: Home, account_ids: list[str]
) -> None:
    full, bare = history_of(home, account_ids[0]), history_of(home, account_ids[1], without=("contacts", "promises"))
    as_of = AS_OF.isoformat()

    together = scored(client, accounts=[full, bare], as_of=as_of)

    assert together == scored(client, accounts=[full], as_of=as_of) + scored(client, accounts=bare, as_of=as_of)


def test_the_margin_is_the_served_score_on_the_scale_of_log_odds(client: TestClient, account_ids: list[str]) -> None:
    row = scored(client, account_ids=account_ids[:1])[0]

    explained = row["explained"]
    assert row["w_logged"] == 1.0 / (1.0 + np.exp(-explained["willingness"]["margin"]))
    assert row["ability"] == 1.0 / (1.0 + np.exp(-explained["ability"]["margin"]))


def test_reasons_are_the_strongest_groups_first_and_all_of_them_where_there_are_fewer_than_four(
    client: TestClient, account_ids: list[str]
) -> None:
    explained = [row["explained"] for row in scored(client, account_ids=account_ids[:60])]

    for one in (each[name] for each in explained for name in ("willingness", "ability")):
        moved = [reason["contribution"] for reason in one["reasons"]]
        assert moved == sorted(moved, key=abs, reverse=True) and 0.0 not in moved and len(moved) <= 4
        assert len({reason["group"] for reason in one["reasons"]}) == len(moved)
        if len(moved) < 4:
            assert sum(moved) == pytest.approx(one["margin"] - one["expected_margin"], abs=1e-9)
    assert all(each["willingness"]["reasons"] for each in explained)


def test_contributions_that_do_not_add_up_are_refused(desk: Desk, account_ids: list[str]) -> None:
    pin, bundle = desk.champion  # type: ignore[misc]
    broken = replace(bundle)
    right = bundle.leaf_tables
    broken.__dict__["leaf_tables"] = {"willingness": right["ability"], "ability": right["willingness"]}

    unable = replace(desk, champion=(pin, broken), condition=Condition())
    with pytest.raises(ContributionsError):
        unable.probe()  # as a worker does every few seconds

    refused = client_of(unable).post("/v1/score", json={"account_ids": account_ids[:1]})

    assert refused.status_code == 500  # a defect of ours, not of the request
    assert refused.json()["code"] == "contributions_do_not_add_up"


def test_an_answer_has_the_documented_shape(client: TestClient, account_ids: list[str]) -> None:
    answer = client.post("/v1/score", json={"account_ids": account_ids[:5]})

    ScoreAnswer.model_validate_json(answer.content)


def test_an_account_that_is_not_past_due_is_scored_too(client: TestClient, current_id: str) -> None:
    assert scored(client, account_ids=[current_id])[0]["bucket"] == "CURRENT"


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_order_and_company_of_accounts_change_nothing(
    client: TestClient, account_ids: list[str], data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.sampled_from(account_ids[:60]), min_size=1, max_size=50, unique=True))

    rows = scored(client, account_ids=asked)

    assert [row["account_id"] for row in rows] == asked
    alone = data.draw(st.sampled_from(asked))
    assert rows[asked.index(alone)] == scored(client, account_ids=[alone])[0]


def test_scoring_records_nothing(client: TestClient, desk: Desk, home: Home, account_ids: list[str]) -> None:
    before = desk.ledger.head()  # type: ignore[union-attr]

    scored(client, account_ids=account_ids[:2], as_of=EARLIER.isoformat())
    scored(client, accounts=history_of(home, account_ids[0]), as_of=AS_OF.isoformat())

    assert desk.ledger.head() == before  # type: ignore[union-attr]


@pytest.mark.parametrize("n_accounts", [1, 33, 150])
def test_few_accounts_on_the_loop_and_many_in_a_thread_answer_alike(
    client: TestClient, account_ids: list[str], n_accounts: int
) -> None:
    asked = account_ids[:n_accounts]

    assert [row["account_id"] for row in scored(client, account_ids=asked)] == asked
