"""`python -m tests.serving.examples`: every example of the OpenAPI document, as a service answers it.

Small models are trained on a small simulated portfolio, a plan is made for it, and one day of work is done with it at a fixed time. What
was asked and what was answered goes into ``serving/examples.json``. The sample under ``data/`` will not do: the contact policy does not
reach back to its days.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from serving.openapi import EXAMPLES
from serving.opening import open_desk
from serving.settings import Settings
from tests.serving.conftest import client_of, made_home

NOW = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)
Examples = dict[str, Any]


@contextmanager
def sample_service(settings: Settings, state: Path) -> Iterator[TestClient]:
    """A service on a plan, on the morning after it."""
    desk = open_desk(replace(settings, state=str(state)))
    try:
        with client_of(desk, clock=lambda: NOW) as client:
            yield client
    finally:
        desk.close()


def made(client: TestClient) -> Examples:
    """One day of work, as examples by the name of their shape."""

    def get(path: str) -> Any:
        return client.get(path).raise_for_status().json()

    def post(path: str, body: Any = None) -> Any:
        answer = client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    queue = get("/v1/queue?limit=2")
    first, second = queue["rows"]
    account_id, about = first["account_id"], f"/v1/decisions/{first['decision_id']}"
    accounts = {"account_ids": [account_id, second["account_id"]]}
    wish, permit = granted(post, get("/v1/queue?limit=50")["rows"])
    override = {"to": "none", "reason_code": "illness", "reason": "In hospital until Monday.", "by": "s17"}
    request = {"kind": "human_review", "text": "I would like a person to look at this."}
    paid = {
        "payment_id": "P77", "account_id": account_id, "paid_at": "2026-10-01T02:30:00Z",
        "amount_cents": first["cure_amount_cents"], "kind": "voluntary",
    }  # fmt: skip
    told = {"outcomes": [{"key": "payment-P77", "kind": "payment", "row": paid, "decision_id": first["decision_id"]}]}
    words = client.get(f"{about}/explanation?audience=customer")
    found = {
        "AliveAnswer": get("/healthz"),
        "ReadyAnswer": get("/readyz"),
        "AccountsRequest": accounts,
        "ScoreAnswer": post("/v1/score", {"account_ids": [account_id]}),
        "DecisionsAnswer": post("/v1/decisions", accounts),
        "QueueAnswer": queue,
        "RecordAnswer": get(about),
        "str": words.raise_for_status().text,
        "ExplanationAnswer": get(f"{about}/explanation?format=json&audience=collector"),
        "ReplayAnswer": post(f"{about}/replay"),
        "OverrideRequest": override,
        "OverrideAnswer": post(f"{about}/override", override),
        "CustomerRequest": request,
        "RequestAnswer": post(f"{about}/requests", request),
        "HistoryAnswer": get(f"/v1/accounts/{account_id}/decisions?limit=1"),
        "PermitRequest": wish,
        "PermitAnswer": permit,
        "ReleaseAnswer": post(f"/v1/permits/{permit['permit_id']}/release"),
        "OutcomesRequest": told,
        "OutcomesAnswer": post("/v1/outcomes", told),
        "ErrorAnswer": client.post("/v1/score", json={"account_ids": ["A999999"]}).json(),
    }
    return found


def granted(post: Callable[..., Any], rows: list[Any]) -> tuple[Any, Any]:
    """The first permit that is granted, and what was wished."""
    for row in rows:
        wish = {"account_id": row["account_id"], "channel": "letter", "number_ref": "n1", "at": "2026-10-01T03:30:00Z"}
        permit = post("/v1/permits", wish)
        if permit["is_granted"]:
            return wish, permit
    raise AssertionError("no permit was granted")


def main() -> None:
    """Write the examples anew."""
    with tempfile.TemporaryDirectory(prefix="examples-") as scratch:
        home = made_home(Path(scratch))
        with sample_service(home.settings, Path(scratch) / "state.db") as client:
            found = made(client)
    EXAMPLES.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(found)} examples written to {EXAMPLES}")


if __name__ == "__main__":
    main()
