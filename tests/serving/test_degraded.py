"""When the models cannot score: the scorecard answers, every answer says so, and nothing harsh is decided on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest
from starlette.testclient import TestClient

from scoring.errors import ContributionsError
from scoring.explanations import explain
from scoring.ledger.replay import replay
from scoring.ledger.verify import verify
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.card_scores import card_scores, contributions
from scoring.scores.scorecard import CARDS, Card, Characteristic, PayableBand, Scale, Scorecard
from serving.app import equip, make_app
from serving.degraded import CLOSED_WHILE_DEGRADED, Condition, score_or_card
from serving.desk import Desk, there
from serving.watching import Watch
from serving.wire import AccountsRequest
from tests.serving.conftest import AS_OF, RECORDED_AT, Home, history_of

Breaks = Callable[[Bundle], Bundle]


def no_leaf_tables(bundle: Bundle) -> Bundle:
    """Leaf tables that belong to another model: contributions do not add up."""
    broken = replace(bundle)
    broken.__dict__["leaf_tables"] = dict.fromkeys(bundle.leaf_tables, bundle.leaf_tables["ability"])
    return broken


class Raising(lightgbm.Booster):
    """A model whose library fails."""

    def __init__(self) -> None:
        pass

    def predict(self, *_: Any, **__: Any) -> Any:
        raise lightgbm.basic.LightGBMError("out of order")

    model_to_string = num_feature = predict


ARREARS = Characteristic("dpd", (30.0, 60.0), (0.7, 0.0, -0.7, 0.0), (50, 0, -50, 0), (0.4, 0.4, 0.2, 0.0), 0.3)
PAYMENTS = Characteristic("n_payments_90d", (0.5,), (-1.0, 0.5, 0.0), (-70, 36, 0), (0.3, 0.6, 0.1), 0.4)
CARD = Card(510, (PAYMENTS, ARREARS))
SCORECARD = Scorecard(Scale(), dict.fromkeys(CARDS, CARD), (PayableBand(1.0, 0.1, 0.4, 0.9),), "a few accounts")


@pytest.fixture(scope="module")
def carded(desk: Desk) -> Bundle:
    """The champion with a scorecard."""
    return replace(desk.bundle(), documents={"scorecard": SCORECARD.to_json()})


@pytest.fixture(params=[no_leaf_tables, "library"])
def broken(request: pytest.FixtureRequest, carded: Bundle) -> Bundle:
    """The champion unable to score, with its scorecard."""
    if request.param == "library":
        return replace(carded, boosters=dict.fromkeys(carded.boosters, Raising()))
    return no_leaf_tables(carded)


@pytest.fixture
def degraded(desk: Desk, broken: Bundle) -> Iterator[Desk]:
    """A desk on it."""
    pin, _ = desk.champion  # type: ignore[misc]
    _, tables = desk.archived()
    yield replace(desk, champion=(pin, broken), condition=Condition(), archive=(lambda _: broken, tables))


def served(desk: Desk) -> TestClient:
    app = make_app()
    equip(app, desk, clock=lambda: RECORDED_AT)
    return TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))


def test_the_scorecards_contributions_add_up_to_its_log_odds(desk: Desk, carded: Bundle) -> None:
    frame = there(desk.day).frame
    scores = card_scores(carded, frame)

    for name in EXPLAINED:
        assert scores.contributions[name].sum(axis=1) == pytest.approx(scores.margins[name], abs=1e-9)
        assert carded.scorecard is not None
        assert (contributions(carded.scorecard, name, frame.values) == scores.contributions[name]).all()
    table = scores.table
    assert (table["w_none_low"] <= table["w_none"]).all() and (table["ability"] <= table["ability_high"]).all()
    assert set(table["segment"]) == {"undetermined"}


def test_every_answer_that_rests_on_scores_says_that_the_card_gave_them(
    degraded: Desk, account_ids: list[str], current_id: str
) -> None:
    client = served(degraded)
    degraded.probe()  # as a worker does every few seconds

    scored = client.post("/v1/score", json={"account_ids": [account_ids[0]]}).json()
    decided = client.post("/v1/decisions", json={"account_ids": [account_ids[0], current_id]}).json()

    assert scored["degraded"] and scored["scores"][0]["explained"]["willingness"]["reasons"]
    assert decided["degraded"]
    assert [row["degraded"] for row in decided["decisions"]] == [False, True]
    assert client.get("/v1/queue").json()["degraded"]
    assert client.get("/readyz").json()["degraded"]
    made = decided["decisions"][1]["decision_id"]
    assert client.get(f"/v1/decisions/{made}").json()["degraded"]
    words = client.get(f"/v1/decisions/{made}/explanation", params={"format": "json", "lang": "en"}).json()
    assert words["degraded"] and "scorecard" in words["text"]
    assert client.get(f"/v1/accounts/{current_id}/decisions").json()["decisions"][0]["degraded"]
    assert "scoring_degraded 1.0" in client.get("/metrics").text


def test_nothing_harder_than_a_written_reminder_is_decided_on_the_card(
    degraded: Desk, account_ids: list[str], home: Home
) -> None:
    histories = [history_of(home, account_id) for account_id in account_ids[:25]]
    asked = AccountsRequest.model_validate({"accounts": histories, "as_of": AS_OF})
    rows = degraded.decide(asked, RECORDED_AT)

    assert all(row["degraded"] for row in rows)
    assert {row["channel"] for row in rows} & {str(channel) for channel in CLOSED_WHILE_DEGRADED} == set()
    ledger = there(degraded.ledger)
    record = ledger.get(rows[0]["decision_id"])
    assert record.body["model"]["scored_by"] == "scorecard"
    assert {str(channel) for channel in CLOSED_WHILE_DEGRADED} <= set(record.body["at_prices"]["closed"])
    assert "评分卡" in explain(record, lang="zh", audience="collector")


def test_a_decision_on_the_card_is_replayed_exactly(degraded: Desk, current_id: str) -> None:
    ledger = there(degraded.ledger)
    [row] = degraded.decide(AccountsRequest(account_ids=[current_id]), RECORDED_AT)

    [again] = replay(ledger, [row["decision_id"]], *degraded.archived())

    assert again.is_exact and not again.differences
    assert verify(ledger) == []


def test_the_same_account_has_another_decision_id_once_the_models_score_again(
    degraded: Desk, carded: Bundle, current_id: str
) -> None:
    asked = AccountsRequest(account_ids=[current_id])
    [on_card] = degraded.decide(asked, RECORDED_AT)

    pin, _ = degraded.champion  # type: ignore[misc]
    mended = replace(degraded, champion=(pin, carded))
    mended.probe()
    [on_models] = mended.decide(asked, RECORDED_AT)

    assert not mended.condition.is_degraded and not on_models["degraded"]
    assert on_models["decision_id"] != on_card["decision_id"]


def test_the_watch_finds_out_without_any_request_and_sees_it_pass(home: Home, degraded: Desk, carded: Bundle) -> None:
    watch = Watch(home.settings, degraded, lambda fresh: None)
    watch.probe()
    assert degraded.condition.failed_with in ("contributions_do_not_add_up", "LightGBMError")

    object.__setattr__(degraded, "champion", (degraded.champion[0], carded))  # type: ignore[index]
    watch.probe()
    assert degraded.condition.failed_with is None


def test_without_a_scorecard_nothing_is_answered_and_the_refusal_says_why(desk: Desk, account_ids: list[str]) -> None:
    pin, bundle = desk.champion  # type: ignore[misc]
    raising = replace(bundle, boosters=dict.fromkeys(bundle.boosters, Raising()), documents={})
    unable = replace(desk, champion=(pin, raising), condition=Condition())
    with pytest.raises(ContributionsError):
        unable.probe()

    refused = served(unable).post("/v1/score", json={"account_ids": account_ids[:1]})

    assert (refused.status_code, refused.json()["code"]) == (500, "contributions_do_not_add_up")
    assert "no scorecard" in refused.json()["message"]


def test_scores_of_the_models_are_never_the_cards(desk: Desk, carded: Bundle) -> None:
    condition, frame = Condition("LightGBMError"), there(desk.day).frame.take(np.arange(3))

    scores, by_card = score_or_card(carded, frame, condition)

    assert not by_card and scores.scored_by == "models" and not condition.is_degraded
