"""The working day over HTTP with ledger and state on SQLite, and with both in PostgreSQL: the same answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url
from starlette.testclient import TestClient

from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.vocabulary import Channel
from serving.app import equip, make_app
from serving.desk import Desk
from serving.live_prices import prices_now
from serving.nightly import run_plan
from serving.opening import open_desk
from serving.outcomes import is_recorded, outcome_record, told_of
from serving.settings import FLAG, REFUSE, Limits
from serving.state.events import keep_event
from serving.wire import Outcome
from tests.serving.conftest import AS_OF, CAPACITY, RECORDED_AT, Home

NOW = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)  # noon in Shanghai
OPERATIONS = "collector: first_party\ncall_recording_on: true\n"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp(request.param)
    shutil.copytree(home.settings.home / "bundles", root / "home" / "bundles")
    (root / "capacity.yaml").write_text(CAPACITY)
    (root / "operations.yaml").write_text(OPERATIONS)
    ledger = state = ""
    if request.param == "postgresql":
        ledger, state = (database(request.getfixturevalue("server"), name) for name in ("told_ledger", "told_state"))
    run_plan(
        home.portfolio, as_of=AS_OF, out=root / "out", home=root / "home", recorded_at=RECORDED_AT, threads=1,
        capacity_file=root / "capacity.yaml", operations_file=root / "operations.yaml", ledger_place=ledger,
    )  # fmt: skip
    opened = open_desk(replace(home.settings, home=root / "home", ledger=ledger, state=state))
    yield opened
    opened.close()


def database(address: str, name: str) -> str:
    """A new database of a server."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return make_url(address).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    app = make_app()
    equip(app, desk, clock=lambda: NOW)
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as made:
        yield made


@pytest.fixture(scope="module")
def queued(desk: Desk) -> Iterator[str]:
    """Accounts in queues, one after the other, each of a customer with no other account."""
    decisions = desk.plan().decisions
    alone = [name for name in decisions.loc[decisions["channel"] != "none", "account_id"] if not siblings(desk, name)]
    return iter(alone)


def siblings(desk: Desk, account_id: str) -> list[str]:
    assert not isinstance(desk.day, Exception)
    rows = desk.day.portfolio.connection.cursor().execute(
        "SELECT b.account_id FROM accounts a JOIN accounts b USING (customer_id) WHERE a.account_id = ? AND b.account_id <> ?",
        [account_id, account_id],
    )
    return [str(name) for (name,) in rows.fetchall()]


@pytest.fixture(scope="module")
def pair(desk: Desk) -> tuple[str, str]:
    """Two accounts of one customer, both in the plan."""
    planned = desk.plan().row_of
    return next((name, other) for name in planned for other in siblings(desk, name) if other in planned)


def ledger_of(desk: Desk) -> Ledger:
    assert isinstance(desk.ledger, Ledger)
    return desk.ledger


def ok(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def tell(client: TestClient, what: str, row: dict[str, Any]) -> dict[str, Any]:
    outcome = {"key": str(uuid4()), "kind": what, "row": row}
    told: dict[str, Any] = ok(client.post("/v1/outcomes", json={"outcomes": [outcome]}))["outcomes"][0]
    return told


def payment(account_id: str, **more: Any) -> dict[str, Any]:
    paid = {"payment_id": f"{account_id}-paid", "account_id": account_id, "paid_at": "2026-10-01T03:00:00Z"}
    return {**paid, "amount_cents": 5_000_000, "kind": "voluntary", **more}


def standing(account_id: str, kind: str) -> dict[str, Any]:
    return {"account_id": account_id, "kind": kind, "from_at": "2026-10-01T03:00:00Z"}


def queue_of(client: TestClient) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    query: dict[str, Any] = {"limit": 500}
    while True:
        page = ok(client.get("/v1/queue", params=query))
        assert not rows.keys() & {row["account_id"] for row in page["rows"]}
        rows |= {row["account_id"]: row for row in page["rows"]}
        if page["next_cursor"] is None:
            return rows
        query["cursor"] = page["next_cursor"]


def test_a_returned_payment_brings_the_account_back_into_the_queue_at_its_place(
    client: TestClient, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    due = ok(client.post("/v1/score", json={"account_ids": [account_id]}))["scores"][0]["past_due_cents"]
    tell(client, "payment", payment(account_id))
    assert account_id not in queue_of(client)

    told = tell(client, "payment", payment(account_id, reversed_at="2026-10-01T03:30:00Z"))

    score = ok(client.post("/v1/score", json={"account_ids": [account_id]}))["scores"][0]
    assert (score["past_due_cents"], score["as_of"]) == (due, "2026-10-01")
    assert told["decision"]["channel"] != "none"
    queue = queue_of(client)
    worths = [row["priority_value_cents"] for row in queue.values()]
    assert (queue[account_id]["rank"], queue[account_id]["decision_id"]) == (0, told["decision"]["decision_id"])
    assert worths == sorted(worths, reverse=True)


def test_outcomes_sent_twice_under_one_idempotency_key_give_the_same_bytes_and_are_kept_once(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    outcome = {"key": str(uuid4()), "kind": "payment", "row": payment(next(queued), amount_cents=700)}
    headers = {"idempotency-key": str(uuid4())}

    first = client.post("/v1/outcomes", json={"outcomes": [outcome]}, headers=headers)
    head = ledger_of(desk).head()
    again = client.post("/v1/outcomes", json={"outcomes": [outcome]}, headers=headers)

    assert (first.status_code, again.content) == (200, first.content)
    assert ledger_of(desk).head() == head


def test_an_outcome_cut_off_before_its_record_is_recorded_when_told_again_though_a_later_one_was_decided(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    cut_off = {"key": str(uuid4()), "kind": "payment", "row": payment(account_id, amount_cents=100)}
    told = told_of(desk, Outcome.model_validate(cut_off), NOW)
    kept = keep_event(desk.needed_state(), told, NOW)  # the worker dies here, before the ledger is asked
    tell(client, "payment", payment(account_id, payment_id=f"{account_id}-later", amount_cents=200))

    again = ok(client.post("/v1/outcomes", json={"outcomes": [cut_off]}))["outcomes"][0]

    assert again["record_id"] == outcome_record(kept).record_id
    assert is_recorded(ledger_of(desk), outcome_record(kept))


def test_on_a_stale_portfolio_an_outcome_is_kept_and_flagged_and_where_that_is_refused_nothing_is_decided(
    desk: Desk, queued: Iterator[str]
) -> None:
    app, later, answers = make_app(), NOW.replace(month=11), []
    for on_stale in (FLAG, REFUSE):
        equip(app, replace(desk, limits=Limits(on_stale=on_stale)), clock=lambda: later)
        outcome = {"key": str(uuid4()), "kind": "payment", "row": payment(next(queued), amount_cents=100)}
        with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as late:
            answers.append(ok(late.post("/v1/outcomes", json={"outcomes": [outcome]})))

    assert [answer["is_stale"] for answer in answers] == [True, True]
    assert [answer["outcomes"][0]["not_decided_because"] for answer in answers] == [None, "stale_data"]
    assert ledger_of(desk).get(answers[1]["outcomes"][0]["record_id"]).kind == "outcome"


def test_who_is_reading_the_decisions_of_the_day_is_not_disturbed_by_one_more(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    assert desk.today is not None
    account_id, seen = next(queued), desk.today.redecided()

    tell(client, "payment", payment(account_id, amount_cents=100))

    assert account_id not in seen
    assert account_id in desk.today.redecided()


NUL_ID = "/v1/decisions/D%00"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/permits", {"account_id": "A1", "channel": "sms", "number_ref": "n\0"}, "number_ref"),
        ("/v1/permits", {"account_id": "A\0", "channel": "sms"}, "account_id"),
        ("/v1/outcomes", {"outcomes": [{"key": "k\0", "kind": "payment", "row": {}}]}, "outcomes.0.key"),
        (
            "/v1/outcomes",
            {"outcomes": [{"key": "k", "kind": "contact", "row": {}, "permit_id": "\0"}]},
            "outcomes.0.permit_id",
        ),
        ("/v1/decisions", {"account_ids": ["A\0"]}, "account_ids.0"),
        ("/v1/permits/%00/release", None, "permit_id"),
        (NUL_ID, None, "decision_id"),
        (f"{NUL_ID}/explanation", None, "decision_id"),
        (f"{NUL_ID}/override", {"to": "none", "reason_code": "r"}, "decision_id"),
        (f"{NUL_ID}/requests", {"kind": "explanation"}, "decision_id"),
        (f"{NUL_ID}/replay", {}, "decision_id"),
        ("/v1/accounts/%00/decisions", None, "account_id"),
    ],
)
def test_a_text_with_the_character_that_no_database_keeps_is_a_bad_request(
    client: TestClient, path: str, body: dict[str, Any] | None, field: str
) -> None:
    is_read = body is None and not path.endswith("release")

    refused = client.get(path) if is_read else client.post(path, json=body)

    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "bad_request", field)


@pytest.mark.parametrize("column", ["payment_id", "kind"])
def test_a_row_with_that_character_is_kept_or_refused_but_never_a_defect(
    client: TestClient, queued: Iterator[str], column: str
) -> None:
    outcome = {"key": str(uuid4()), "kind": "payment", "row": payment(next(queued)) | {column: "a\0"}}

    answer = client.post("/v1/outcomes", json={"outcomes": [outcome]})

    assert answer.status_code == (200 if column == "payment_id" else 422), answer.text


def test_an_outcome_of_an_account_that_is_not_there_says_so_without_its_id(client: TestClient) -> None:
    row = payment("A-nobody")

    refused = client.post("/v1/outcomes", json={"outcomes": [{"key": "k", "kind": "payment", "row": row}]})

    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_account")


def test_who_refuses_automated_decisions_gets_a_person_and_keeps_priority_and_offers(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    before = ok(client.post("/v1/decisions", json={"account_ids": [account_id]}))["decisions"][0]
    call = {"account_id": account_id, "channel": "agent_call", "number_ref": "n1"}
    visit = {**call, "channel": "field_visit"}

    ok(client.post(f"/v1/decisions/{before['decision_id']}/requests", json={"kind": "refuse_automated"}))

    after = ok(client.post("/v1/decisions", json={"account_ids": [account_id]}))["decisions"][0]
    assert [after[name] for name in ("channel", "treatment")] == [before[name] for name in ("channel", "treatment")]
    assert after["priority_value_cents"] >= 0.9 * before["priority_value_cents"]  # a day has passed, nothing else
    assert account_id in queue_of(client)
    assert "CN-ADM-REFUSED" in ok(client.post("/v1/permits", json=visit))["rules"]
    assert ok(client.post("/v1/permits", json=call))["is_granted"]
    rules = ledger_of(desk).get(after["decision_id"]).text
    assert "CN-ADM-REFUSED" in rules


def test_a_death_told_on_one_account_takes_the_customers_other_account_out_of_the_queue(
    client: TestClient, pair: tuple[str, str]
) -> None:
    one, other = pair
    before = ok(client.post("/v1/decisions", json={"account_ids": [other]}))["decisions"][0]

    tell(client, "standing", standing(one, "deceased"))

    after = ok(client.post("/v1/decisions", json={"account_ids": [other]}))["decisions"][0]
    assert after["decision_id"] != before["decision_id"]
    assert after["channel"] == "none" and other not in queue_of(client)


def test_of_many_calls_asked_for_at_once_over_two_accounts_of_a_customer_three_are_granted(
    client: TestClient, desk: Desk
) -> None:
    planned = desk.plan().row_of
    pairs = ((name, other) for name in planned for other in siblings(desk, name))
    call = {"channel": "agent_call", "number_ref": "n1"}

    def granted(account_id: str) -> bool:
        return bool(ok(client.post("/v1/permits", json={**call, "account_id": account_id}))["is_granted"])

    one, other = next(two for two in pairs if granted(two[0]))
    with ThreadPoolExecutor(8) as pool:
        more = sum(pool.map(granted, [one, other] * 15))

    assert 1 + more == 3


def test_places_taken_by_permits_raise_the_price_until_the_channel_closes_and_given_back_they_lower_it(
    client: TestClient, desk: Desk, account_ids: list[str]
) -> None:
    prices, given = [desk.prices(NOW)], list[dict[str, Any]]()
    while Channel.LETTER not in prices[-1].closed and len(given) < 10:
        asked = {"account_id": account_ids[len(given)], "channel": "letter"}
        given.append(ok(client.post("/v1/permits", json=asked)))
        prices.append(desk.prices(NOW))
    for permit in given:
        ok(client.post(f"/v1/permits/{permit['permit_id']}/release"))

    letters = [each.prices[Channel.LETTER] for each in prices]
    assert len(given) == 3, "as many as the capacity of the day"
    assert letters[:3] == sorted(letters[:3]) and letters[2] > letters[0]
    assert desk.prices(NOW) == prices[0]


def test_a_permit_for_an_account_that_has_a_place_leaves_the_price_as_it_is(client: TestClient, desk: Desk) -> None:
    plan, channel = desk.plan(), Channel.AGENT_CALL
    [place, *_] = plan.order[str(channel)]
    waiting = str(plan.decisions["account_id"].iloc[place])
    others = [name for name in plan.decisions["account_id"] if plan.row_of[name] not in plan.order[str(channel)]]
    assert desk.today is not None

    untouched, held, taken = (
        prices_now(plan, desk.today, reserved).risen.get(channel, 0.0)
        for reserved in ({}, {str(channel): (waiting,)}, {str(channel): (str(others[0]),)})
    )

    assert held <= untouched < taken


def test_a_release_sent_twice_under_one_key_is_the_same_release(client: TestClient, queued: Iterator[str]) -> None:
    given = ok(client.post("/v1/permits", json={"account_id": next(queued), "channel": "sms"}))
    assert given["is_granted"]
    headers = {"idempotency-key": str(uuid4())}

    answers = [client.post(f"/v1/permits/{given['permit_id']}/release", headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_after_the_day_an_override_a_request_and_every_look_are_recorded_and_the_ledger_verifies(
    client: TestClient, desk: Desk, account_ids: list[str]
) -> None:
    decision_id = ok(client.post("/v1/decisions", json={"account_ids": account_ids[-1:], "as_of": "2026-08-15"}))[
        "decisions"
    ][0]["decision_id"]
    channel = ledger_of(desk).get(decision_id).body["choice"]["channel"]
    to = {"to": "sms" if channel == "none" else "none", "by": "s1", "second": "s2", "reason_code": "illness"}

    ok(client.get(f"/v1/decisions/{decision_id}"))
    ok(client.post(f"/v1/decisions/{decision_id}/override", json=to))
    ok(client.post(f"/v1/decisions/{decision_id}/requests", json={"kind": "human_review"}))

    kinds = sorted(record.kind for record in ledger_of(desk).about(decision_id))
    assert kinds == ["access", "override", "request"]
    assert verify(ledger_of(desk)) == []


@pytest.fixture(scope="module")
def account_ids(desk: Desk) -> list[str]:
    return [str(account_id) for account_id in desk.plan().decisions["account_id"]]
