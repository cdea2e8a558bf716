"""A decision is in the ledger before it is answered, once, and asking again gives the same one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from scoring.explanations import explain
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from serving.desk import Desk
from serving.shapes import DecisionsAnswer, HistoryAnswer, RecordAnswer
from serving.wire import AccountsRequest
from tests.serving.conftest import AS_OF, Home, client_of, history_of

EARLIER = "2026-08-15"


def decided(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/decisions", json=body)
    assert answer.status_code == 200, answer.text
    DecisionsAnswer.model_validate_json(answer.content)
    rows: list[dict[str, Any]] = answer.json()["decisions"]
    return rows


def ledger_of(desk: Desk) -> Ledger:
    assert isinstance(desk.ledger, Ledger)
    return desk.ledger


def test_an_account_of_the_plan_gets_the_plans_very_decision(
    client: TestClient, desk: Desk, account_ids: list[str]
) -> None:
    before = ledger_of(desk).head()

    rows = decided(client, account_ids=account_ids[:20])

    planned = desk.plan().decisions.iloc[:20]
    assert [row["decision_id"] for row in rows] == planned["decision_id"].tolist()
    assert [row["channel"] for row in rows] == planned["channel"].tolist()
    assert {row["trigger"] for row in rows} == {"plan"}
    assert ledger_of(desk).head() == before


def test_another_day_is_decided_recorded_and_asked_again_writes_nothing(
    client: TestClient, desk: Desk, account_ids: list[str]
) -> None:
    first = decided(client, account_ids=account_ids[:3], as_of=EARLIER)
    after_first = ledger_of(desk).head()

    again = decided(client, account_ids=account_ids[:3], as_of=EARLIER)

    assert again == first
    assert ledger_of(desk).head() == after_first
    assert all(ledger_of(desk).get(row["decision_id"]).body["trigger"] == "request" for row in first)


def test_a_request_sent_again_under_its_key_gets_the_same_bytes_and_another_one_under_it_is_refused(
    client: TestClient, desk: Desk, account_ids: list[str]
) -> None:
    headers, body = {"idempotency-key": "decide-once"}, {"account_ids": account_ids[3:5], "as_of": EARLIER}
    first = client.post("/v1/decisions", json=body, headers=headers)
    after_first = ledger_of(desk).head()

    again = client.post("/v1/decisions", json=body, headers=headers)
    other = client.post("/v1/decisions", json=body | {"account_ids": account_ids[5:6]}, headers=headers)

    assert first.status_code == 200 and again.content == first.content
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert ledger_of(desk).head() == after_first


def test_a_decision_does_not_depend_on_the_accounts_asked_for_with_it(
    client: TestClient, account_ids: list[str]
) -> None:
    together = decided(client, account_ids=account_ids[4:8], as_of=EARLIER)

    alone = decided(client, account_ids=account_ids[6:7], as_of=EARLIER)

    assert alone == together[2:3]


def test_planned_and_unplanned_accounts_are_answered_in_the_order_asked(
    client: TestClient, account_ids: list[str], current_id: str
) -> None:
    asked = [account_ids[2], current_id, account_ids[0]]

    rows = decided(client, account_ids=asked)

    assert [(row["account_id"], row["trigger"]) for row in rows] == list(
        zip(asked, ("plan", "request", "plan"), strict=True)
    )
    assert rows[1]["channel"] == "none"


def test_histories_in_a_request_are_decided_and_recorded_once(
    client: TestClient, desk: Desk, home: Home, account_ids: list[str]
) -> None:
    body = {"accounts": [history_of(home, a) for a in account_ids[:2]], "as_of": AS_OF.isoformat()}
    first = decided(client, **body)
    after_first = ledger_of(desk).head()

    assert decided(client, **body) == first
    assert ledger_of(desk).head() == after_first
    assert [row["account_id"] for row in first] == account_ids[:2]


def test_a_record_holds_what_was_answered_and_its_place_in_the_chain(
    client: TestClient, account_ids: list[str]
) -> None:
    row = decided(client, account_ids=account_ids[:1], as_of=EARLIER)[0]

    answer = client.get(f"/v1/decisions/{row['decision_id']}")

    record = RecordAnswer.model_validate_json(answer.content)
    assert record.body["choice"]["channel"] == row["channel"]
    assert record.body["choice"]["treatment"] == row["treatment"]
    assert record.integrity["seq"] > 0
    for name in ("willingness", "ability"):
        told = record.body["scores"][name]
        assert told["expected_margin"] + sum(told["groups"].values()) == pytest.approx(told["margin"], abs=1e-9)


def test_every_recorded_decision_verifies(client: TestClient, desk: Desk, account_ids: list[str]) -> None:
    decided(client, account_ids=account_ids[:5], as_of=EARLIER)

    assert verify(ledger_of(desk)) == []


def test_an_accounts_decisions_come_newest_first(client: TestClient, account_ids: list[str]) -> None:
    decided(client, account_ids=account_ids[:1], as_of=EARLIER)

    answer = client.get(f"/v1/accounts/{account_ids[0]}/decisions")

    found = HistoryAnswer.model_validate_json(answer.content).decisions
    places = [record.integrity["seq"] for record in found]
    assert len(places) >= 2
    assert places == sorted(places, reverse=True)


def test_an_explanation_is_the_records_words(client: TestClient, desk: Desk, account_ids: list[str]) -> None:
    row = decided(client, account_ids=account_ids[:1])[0]
    path = f"/v1/decisions/{row['decision_id']}/explanation"

    answer = client.get(path, params={"lang": "zh", "audience": "collector"})

    assert answer.text == explain(ledger_of(desk).get(row["decision_id"]), lang="zh", audience="collector")
    assert client.get(path, params={"audience": "press"}).json()["code"] == "bad_request"


@pytest.mark.parametrize("decision_id", ["nothing", "batch:{run}"])
def test_what_is_no_decision_is_not_found(client: TestClient, home: Home, decision_id: str) -> None:
    answer = client.get(f"/v1/decisions/{decision_id.format(run=home.run.run_id)}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_decision"


def test_a_refused_request_records_no_part_of_it(client: TestClient, desk: Desk, account_ids: list[str]) -> None:
    before = ledger_of(desk).head()

    refused = client.post("/v1/decisions", json={"account_ids": [*account_ids[:2], "nobody"], "as_of": EARLIER})

    assert refused.status_code == 404
    assert ledger_of(desk).head() == before


def test_the_same_question_from_many_callers_at_once_is_recorded_once(desk: Desk, account_ids: list[str]) -> None:
    asked = AccountsRequest(account_ids=account_ids[10:14], as_of=date(2026, 7, 31))
    before = ledger_of(desk).head().seq

    with ThreadPoolExecutor(3) as callers:
        answers = list(callers.map(lambda hour: desk.decide(asked, datetime(2026, 10, 1, hour, tzinfo=UTC)), range(6)))

    assert all(answer == answers[0] for answer in answers)
    assert ledger_of(desk).head().seq == before + 4


def test_the_answer_survives_a_new_start(home: Home, desk: Desk, client: TestClient, account_ids: list[str]) -> None:
    first = decided(client, account_ids=account_ids[:2], as_of=EARLIER)

    assert decided(client_of(desk), account_ids=account_ids[:2], as_of=EARLIER) == first


def test_every_channel_that_was_chosen_comes_with_what_a_contact_must_say_and_never_do(
    client: TestClient, account_ids: list[str]
) -> None:
    answer = DecisionsAnswer.model_validate_json(
        client.post("/v1/decisions", json={"account_ids": account_ids[:50]}).content
    )

    chosen = {decision.channel for decision in answer.decisions} - {"none"}
    assert set(answer.content) == chosen and chosen
    for duties in answer.content.values():
        assert {"caller_identity", "institution", "purpose"} <= set(duties.must_say)
        assert "third_party_disclosure" in duties.never
