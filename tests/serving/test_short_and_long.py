"""What is answered in milliseconds does not stand in line behind what takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

import httpx
import pytest
from fastapi.testclient import TestClient

from serving.desk import Desk
from tests.serving.conftest import client_of


@contextmanager
def busy(client: TestClient, *, is_long: bool) -> Iterator[None]:
    """The only thread of its kind is taken."""
    begun, end = Event(), Event()

    def work() -> None:
        begun.set()
        end.wait(60)

    assert client.portal is not None
    taken = client.portal.start_task_soon(partial(client.app.state.threads.run, work, is_long=is_long))  # type: ignore[attr-defined]
    assert begun.wait(10)
    try:
        yield
    finally:
        end.set()
        taken.result(10)


@pytest.fixture
def narrow(desk: Desk) -> Iterator[TestClient]:
    """A service with one thread of each kind."""
    with client_of(desk, threads=1) as client:
        yield client


def test_decisions_scores_records_and_the_queue_do_not_wait_for_permits_and_outcomes(
    narrow: TestClient, desk: Desk
) -> None:
    plan = desk.plan()
    planned, decision = plan.decisions["account_id"][0], plan.decisions["decision_id"][0]
    other = next(name for name in there_only(desk) if name not in plan.row_of)

    with busy(narrow, is_long=True):
        seen = [
            narrow.post("/v1/decisions", json={"account_ids": [planned]}),
            narrow.post("/v1/decisions", json={"account_ids": [other]}),
            narrow.post("/v1/score", json={"account_ids": [planned]}),
            narrow.get("/v1/queue"),
            narrow.get("/readyz"),
            narrow.get(f"/v1/decisions/{decision}"),
            narrow.get(f"/v1/decisions/{decision}/explanation"),
        ]

    assert [answer.status_code for answer in seen] == [200] * len(seen)


def there_only(desk: Desk) -> list[str]:
    """Accounts of the plan's portfolio that can be scored."""
    assert desk.today is not None
    return [name for name in desk.day.read_by_scores["account_id"] if not desk.today.has_events(name)]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["permit", "decision of another day"])
def test_what_takes_long_waits_for_its_own_kind(narrow: TestClient, desk: Desk, kind: str) -> None:
    account = str(desk.plan().decisions["account_id"][1])
    asks: dict[str, Callable[[], httpx.Response]] = {
        "permit": lambda: narrow.post("/v1/permits", json={"account_id": account, "channel": "field_visit"}),
        "decision of another day": lambda: narrow.post(
            "/v1/decisions", json={"account_ids": [account], "as_of": "2026-09-29"}
        ),
    }
    answers: list[httpx.Response] = []
    asking = Thread(target=lambda: answers.append(asks[kind]()))

    with busy(narrow, is_long=True):
        asking.start()
        asking.join(1)
        assert asking.is_alive()
    asking.join(30)

    assert [answer.status_code for answer in answers] == [200]
