"""The working day: what is told changes the account at once, in its features, its decision and its queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from scoring.features.builder import build
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import portfolio_from_tables, read_portfolio
from serving.app import equip, make_app
from serving.desk import Day, Desk
from serving.opening import open_desk
from serving.outcomes import told_of
from serving.shapes import DecisionsAnswer, OutcomesAnswer, PermitAnswer, QueueAnswer
from serving.state.events import keep_event, keep_redecision
from serving.today import Today
from serving.wire import AccountsRequest, Outcome
from tests.serving.conftest import AS_OF, Home, history_of

NOW = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def desk(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A service of its own with an empty state."""
    place = tmp_path_factory.mktemp("day") / "state.db"
    opened = open_desk(replace(home.settings, state=str(place)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> TestClient:
    app = make_app()
    equip(app, desk, clock=lambda: NOW)
    return TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))


@pytest.fixture(scope="module")
def queued(desk: Desk) -> Iterator[str]:
    """Accounts in queues, one after the other."""
    decisions = desk.plan().decisions
    return iter(decisions.loc[decisions["channel"] != "none", "account_id"].tolist())


@pytest.fixture(scope="module")
def account_ids(desk: Desk) -> list[str]:
    return [str(account_id) for account_id in desk.plan().decisions["account_id"]]


def payment(account_id: str, key: str = "p1", cents: int = 5_000_000, **row: Any) -> dict[str, Any]:
    paid = {"payment_id": f"{account_id}-{key}", "account_id": account_id, "paid_at": "2026-10-01T03:00:00Z"}
    return {
        "key": f"{account_id}-{key}",
        "kind": "payment",
        "row": {**paid, "amount_cents": cents, "kind": "voluntary", **row},
    }


def tell(client: TestClient, *outcomes: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post("/v1/outcomes", json={"outcomes": outcomes})
    assert answer.status_code == 200, answer.text
    OutcomesAnswer.model_validate_json(answer.content)
    return list(answer.json()["outcomes"])


def queue_of(client: TestClient, channel: str | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 7} | ({"channel": channel} if channel else {})
    while True:
        answer = client.get("/v1/queue", params=query)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["rows"]
        if answer.json()["next_cursor"] is None:
            QueueAnswer.model_validate_json(answer.content)
            return rows
        query["cursor"] = answer.json()["next_cursor"]


def test_an_account_that_paid_everything_is_decided_again_and_leaves_the_queue(
    client: TestClient, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    assert account_id in [row["account_id"] for row in queue_of(client)]

    [told] = tell(client, payment(account_id))

    assert told["decision"]["channel"] == "none" and told["decision"]["as_of"] == "2026-10-01"
    assert account_id not in [row["account_id"] for row in queue_of(client)]
    decided = client.post("/v1/decisions", json={"account_ids": [account_id]})
    assert (
        DecisionsAnswer.model_validate_json(decided.content).decisions[0].decision_id == told["decision"]["decision_id"]
    )
    scored = client.post("/v1/score", json={"account_ids": [account_id]}).json()["scores"][0]
    assert (scored["past_due_cents"], scored["as_of"]) == (0, "2026-10-01")


def test_the_features_of_an_account_with_events_are_those_of_a_bulk_build_to_the_bit(
    client: TestClient, desk: Desk, home: Home, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    promise = {
        "promise_id": f"{account_id}-r", "account_id": account_id, "made_at": "2026-10-01T03:30:00Z",
        "promised_cents": 4_000, "due_on": "2026-10-05",
    }  # fmt: skip
    part = payment(account_id, cents=1_234)
    tell(client, part, {"key": f"{account_id}-r", "kind": "promise", "row": promise})

    portfolio = read_portfolio(home.portfolio, threads=1)
    tables: dict[str, Any] = {
        name: portfolio.connection.sql(f"SELECT * FROM {name}").to_arrow_table().to_pylist()
        for name in portfolio.observed
        if not contracts()[name].audit_only
    }
    blank = {name: dict.fromkeys(contracts()[name].columns) for name in ("payments", "promises")}
    tables["payments"].append({**blank["payments"], **part["row"]})
    tables["promises"].append({**blank["promises"], **promise})
    bulk = build(portfolio_from_tables(tables), NOW.date(), min_dpd=0)
    row = bulk.positions["account_id"].tolist().index(account_id)
    alone = desk.frame_now(account_id)

    assert alone.values[0].tobytes() == bulk.values[row].tobytes()
    assert alone.positions.iloc[0].tolist() == bulk.positions.iloc[row].tolist()


def test_an_open_promise_holds_the_account(client: TestClient, queued: Iterator[str]) -> None:
    account_id = next(queued)
    promise = {
        "promise_id": f"{account_id}-r", "account_id": account_id, "made_at": "2026-10-01T03:30:00Z",
        "promised_cents": 900_000, "due_on": "2026-10-06",
    }  # fmt: skip

    [told] = tell(client, {"key": f"{account_id}-r", "kind": "promise", "row": promise})

    assert told["decision"]["channel"] == "none"
    assert account_id not in [row["account_id"] for row in queue_of(client)]


def test_a_dispute_suspends_collection(client: TestClient, queued: Iterator[str]) -> None:
    account_id = next(queued)
    row = {"account_id": account_id, "kind": "dispute_open", "from_at": "2026-10-01T03:00:00Z"}

    [told] = tell(client, {"key": f"{account_id}-d", "kind": "standing", "row": row})

    assert told["decision"]["channel"] == "none"


def test_the_same_outcome_told_again_changes_nothing_and_another_under_its_key_is_refused(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    [first] = tell(client, payment(account_id, cents=700))
    head = desk.ledger.head()  # type: ignore[union-attr]

    [again] = tell(client, payment(account_id, cents=700))
    other = client.post("/v1/outcomes", json={"outcomes": [payment(account_id, cents=701)]})

    assert again == {**first, "is_new": False}
    assert desk.ledger.head() == head  # type: ignore[union-attr]
    assert (other.status_code, other.json()["code"]) == (409, "outcome_conflict")


def test_an_outcome_is_recorded_under_the_decision_it_came_of(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    plan = desk.plan().decisions
    decision_id = str(plan.loc[plan["account_id"] == account_id, "decision_id"].iloc[0])

    [told] = tell(client, {**payment(account_id, cents=100), "decision_id": decision_id})

    [record] = [r for r in desk.ledger.about(decision_id) if r.kind == "outcome"]  # type: ignore[union-attr]
    assert record.record_id == told["record_id"]
    assert account_id not in record.text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount_cents": -1}, "bad_portfolio"),
        ({"amount_cents": 1.5}, "bad_portfolio"),
        ({"amount_cents": None}, "bad_portfolio"),
        ({"kind": "gift"}, "bad_portfolio"),
        ({"paid_at": "2026-10-02T03:00:00Z"}, "bad_request"),
        ({"paid_at": "yesterday"}, "bad_portfolio"),
        ({"paid_at": None}, "bad_portfolio"),
        ({"account_id": "nobody"}, "unknown_account"),
        ({"colour": "red"}, "bad_request"),
        ({"amount_cents": 10**40}, "bad_portfolio"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_nothing_is_kept(
    client: TestClient, desk: Desk, account_ids: list[str], change: dict[str, Any], code: str
) -> None:
    before = desk.ledger.head()  # type: ignore[union-attr]

    outcome = payment(account_ids[-1], "bad")
    outcome["row"] |= change

    answer = client.post("/v1/outcomes", json={"outcomes": [outcome]})

    assert (answer.status_code // 100, answer.json()["code"]) == (4, code)
    assert desk.ledger.head() == before  # type: ignore[union-attr]


def test_a_call_takes_a_permit_and_uses_its_place(client: TestClient, desk: Desk, queued: Iterator[str]) -> None:
    account_id = next(queued)
    asked = {"account_id": account_id, "channel": "letter", "at": NOW.isoformat()}
    given = PermitAnswer.model_validate_json(client.post("/v1/permits", json=asked).content)
    reserved = desk.prices(NOW)
    contact = {
        "contact_id": f"{account_id}-k", "account_id": account_id, "contacted_at": "2026-10-01T04:00:00Z",
        "channel": "letter", "direction": "outbound", "outcome": "sent",
    }  # fmt: skip

    if given.is_granted:
        tell(client, {"key": f"{account_id}-k", "kind": "contact", "row": contact, "permit_id": given.permit_id})

        assert account_id not in [row["account_id"] for row in queue_of(client)]
        again = client.post(f"/v1/permits/{given.permit_id}/release")
        assert again.status_code == 400
        assert desk.prices(NOW) == reserved
    else:
        assert given.rules


def test_a_payment_or_another_accounts_contact_does_not_use_a_permit(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id, other = next(queued), next(queued)
    given = client.post("/v1/permits", json={"account_id": account_id, "channel": "letter"}).json()
    contact = {"account_id": other, "contacted_at": "2026-10-01T04:00:00Z", "channel": "letter"}
    contact |= {"contact_id": f"{other}-k", "direction": "outbound", "outcome": "sent"}
    desk.refresh()
    before, reserved = desk.ledger.head(), desk.prices(NOW)  # type: ignore[union-attr]

    for kind, row in (("payment", payment(account_id, "permitted")["row"]), ("contact", contact)):
        outcome = {"key": f"{account_id}-{kind}", "kind": kind, "row": row, "permit_id": given["permit_id"]}
        refused = client.post("/v1/outcomes", json={"outcomes": [outcome]})
        assert (refused.status_code, refused.json()["field"]) == (400, "permit_id")

    desk.refresh()
    assert (desk.ledger.head(), desk.prices(NOW)) == (before, reserved)  # type: ignore[union-attr]
    assert client.post(f"/v1/permits/{given['permit_id']}/release").status_code == 200


def test_a_number_of_any_length_may_stand_where_a_text_does(client: TestClient, queued: Iterator[str]) -> None:
    account_id = next(queued)
    outcome = payment(account_id, "long")
    outcome["row"]["payment_id"] = int("9" * 40)

    kept = [tell(client, outcome) for _ in range(2)]

    assert [each[0]["is_new"] for each in kept] == [True, False]


def test_a_permit_given_back_is_given_back_once(client: TestClient, queued: Iterator[str]) -> None:
    asked = {"account_id": next(queued), "channel": "letter"}
    given = client.post("/v1/permits", json=asked).json()
    assert given["is_granted"], given

    released = [client.post(f"/v1/permits/{given['permit_id']}/release").status_code for _ in range(2)]

    assert released == [200, 400]


def test_a_permit_asked_for_again_under_its_key_is_the_same_one(client: TestClient, queued: Iterator[str]) -> None:
    asked, headers = {"account_id": next(queued), "channel": "letter"}, {"idempotency-key": "k1"}

    answers = [client.post("/v1/permits", json=asked, headers=headers) for _ in range(2)]
    other = client.post("/v1/permits", json={**asked, "channel": "sms"}, headers=headers)

    assert answers[0].json() == answers[1].json()
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


def test_a_permit_asked_again_after_a_failure_is_judged_by_the_hour_of_the_second_attempt(
    desk: Desk, queued: Iterator[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was lawful when the first attempt was cut off may have become unlawful since."""
    app, night = make_app(), NOW + timedelta(hours=10)
    times = iter([NOW, NOW, night, night])
    equip(app, desk, clock=lambda: next(times))
    asked, headers = {"account_id": next(queued), "channel": "agent_call"}, {"idempotency-key": "late"}
    caller = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))
    with monkeypatch.context() as patch:
        patch.setattr("serving.day_routes.permit", lambda *_: 1 / 0)
        assert caller.post("/v1/permits", json=asked, headers=headers).status_code == 500

    again = caller.post("/v1/permits", json=asked, headers=headers).json()

    assert (again["is_granted"], again["at"]) == (False, night.isoformat())


@pytest.mark.parametrize("at", [NOW - timedelta(days=2), NOW + timedelta(days=30)])
def test_a_contact_far_from_now_is_not_judged(client: TestClient, account_ids: list[str], at: datetime) -> None:
    answer = client.post("/v1/permits", json={"account_id": account_ids[0], "channel": "sms", "at": at.isoformat()})

    assert (answer.status_code, answer.json()["field"]) == (400, "at")


def test_a_second_worker_sees_at_once_what_the_first_was_told(
    home: Home, desk: Desk, client: TestClient, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    assert desk.state is not None
    other = open_desk(replace(home.settings, state=str(desk.state.engine.url.database)))  # type: ignore[union-attr]
    app = make_app()
    equip(app, other, clock=lambda: NOW)
    neighbour = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))

    [told] = tell(client, payment(account_id))

    assert account_id not in [row["account_id"] for row in queue_of(neighbour)]
    decided = neighbour.post("/v1/decisions", json={"account_ids": [account_id]}).json()
    assert decided["decisions"][0] == told["decision"]
    other.close()


def test_an_account_seen_as_of_the_plans_day_has_the_plans_numbers(
    client: TestClient, desk: Desk, account_ids: list[str]
) -> None:
    untouched = [name for name in account_ids if not desk.today.has_events(name)][:3]  # type: ignore[union-attr]

    rows = client.post("/v1/score", json={"account_ids": untouched}).json()["scores"]

    assert {row["as_of"] for row in rows} == {AS_OF.isoformat()}
    assert np.isfinite([row["w_none"] for row in rows]).all()


def test_a_death_long_ago_that_is_told_today_ends_contact_today(client: TestClient, queued: Iterator[str]) -> None:
    account_id = next(queued)
    row = {"account_id": account_id, "kind": "deceased", "from_at": "2025-06-01T03:00:00Z"}

    [told] = tell(client, {"key": f"{account_id}-d", "kind": "standing", "row": row})

    decided = client.post("/v1/decisions", json={"account_ids": [account_id]}).json()["decisions"][0]
    assert (decided, decided["channel"]) == (told["decision"], "none")
    assert account_id not in [row["account_id"] for row in queue_of(client)]


@pytest.mark.parametrize(
    ("kind", "row", "channel", "rule"),
    [
        ("consent", {"kind": "opt_out", "channel": "app_push", "given_at": "?"}, "app_push", "CN-PUSH-OFF"),
        ("standing", {"kind": "adm_refused", "from_at": "?"}, "field_visit", "CN-ADM-REFUSED"),
    ],
)
def test_a_refusal_or_an_opt_out_told_long_before_the_plan_is_not_forgotten(
    client: TestClient, desk: Desk, queued: Iterator[str], kind: str, row: dict[str, Any], channel: str, rule: str
) -> None:
    account_id, long_ago = next(queued), NOW.replace(month=3)
    row = {name: long_ago.isoformat() if value == "?" else value for name, value in row.items()}
    refused = Outcome(key=f"{account_id}-{kind}", kind=kind, row={**row, "account_id": account_id})  # type: ignore[arg-type]

    keep_event(desk.needed_state(), told_of(desk, refused, NOW), long_ago)

    asked = {"account_id": account_id, "channel": channel, "number_ref": "n1"}
    assert rule in client.post("/v1/permits", json=asked).json()["rules"]


def test_a_decision_stored_late_by_a_slower_worker_does_not_replace_the_one_made_after_a_later_event(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    assert desk.today is not None
    tell(client, payment(account_id, cents=100))
    slower = desk.today.redecided()[account_id]
    row = {"account_id": account_id, "kind": "deceased", "from_at": "2026-10-01T03:00:00Z"}
    [told] = tell(client, {"key": f"{account_id}-d", "kind": "standing", "row": row})

    keep_redecision(desk.needed_state(), account_id, desk.plan().run_id, slower.event_seq, slower.body())

    assert decision_of(client, account_id) == told["decision"] != slower.decision
    assert account_id not in [row["account_id"] for row in queue_of(client)]


def test_a_death_whose_worker_died_before_deciding_ends_contact_though_an_older_decision_is_there(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    assert desk.today is not None
    tell(client, payment(account_id, cents=100))
    row = {"account_id": account_id, "kind": "deceased", "from_at": "2026-10-01T03:00:00Z"}
    died = told_of(desk, Outcome(key=f"{account_id}-d", kind="standing", row=row), NOW)

    kept = keep_event(desk.needed_state(), died, NOW)

    assert account_id not in [row["account_id"] for row in queue_of(client)]
    decided = decision_of(client, account_id)
    assert decided["channel"] == "none"
    again = desk.today.redecided()[account_id]
    assert (again.decision, again.queue_row, again.event_seq) == (decided, None, kept.seq)


def test_under_a_new_plan_an_account_with_news_stands_in_no_queue_until_it_is_decided_again(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    tell(client, payment(account_id, cents=100))
    assert isinstance(desk.day, Day)
    plan = replace(desk.plan(), run_id="f" * 64)
    today = Today(desk.needed_state(), desk.day.rows, plan.as_of, plan.run_id)
    new = replace(desk, day=replace(desk.day, plan=plan), today=today)

    def shown() -> dict[str, str]:
        new.refresh()
        rows = orjson.loads(orjson.dumps(new.queues.page(None, 500, None)[0]))
        return {row["account_id"]: row["decision_id"] for row in rows}

    before = shown()
    [decided] = new.decide(AccountsRequest(account_ids=[account_id]), NOW)

    assert before and account_id not in before
    assert decided["channel"] != "none" and shown()[account_id] == decided["decision_id"]


def test_what_the_extract_holds_already_is_no_news_but_what_it_does_not_say_is(
    desk: Desk, home: Home, queued: Iterator[str], tmp_path: Path
) -> None:
    account_id = next(queued)
    other = open_desk(replace(home.settings, state=str(tmp_path / "state.db")))
    assert isinstance(other.day, Day) and other.today is not None
    row = next(row for row in history_of(home, account_id)["payments"] if "reversed_at" not in row)
    told_at = datetime(2026, 9, 30, 12, 0, tzinfo=UTC)

    def news(key: str, row: dict[str, Any]) -> bool:
        keep_event(other.needed_state(), told_of(other, Outcome(key=key, kind="payment", row=row), NOW), told_at)
        other.refresh()
        assert other.today is not None
        return other.today.has_events(account_id)

    assert other.day.portfolio.extract_on == AS_OF
    is_news = [news("there", row), news("returned", {**row, "reversed_at": "2026-09-29T03:00:00Z"})]
    other.close()

    assert is_news == [False, True]


def decision_of(client: TestClient, account_id: str) -> dict[str, Any]:
    [decided] = client.post("/v1/decisions", json={"account_ids": [account_id]}).json()["decisions"]
    return dict(decided)


def test_an_account_whose_contact_was_told_to_a_worker_that_died_stays_out_of_the_queue(
    client: TestClient, desk: Desk, queued: Iterator[str]
) -> None:
    account_id = next(queued)
    row = {"contact_id": f"{account_id}-k", "account_id": account_id, "contacted_at": "2026-10-01T03:00:00Z"}
    row |= {"channel": "sms", "direction": "outbound", "outcome": "sent"}
    made = told_of(desk, Outcome(key=f"{account_id}-k", kind="contact", row=row), NOW)

    keep_event(desk.needed_state(), made, NOW)

    assert decision_of(client, account_id)["as_of"] == "2026-10-01"
    assert account_id not in [row["account_id"] for row in queue_of(client)]
