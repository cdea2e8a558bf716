"""The service's state on both databases: every test that takes `state` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from serving.state.database import State


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty state may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    server = str(request.getfixturevalue("server"))
    with psycopg.connect(server) as connection:
        connection.execute(
            "DROP TABLE IF EXISTS state_version, caller_keys, permits, events, answered_requests, redecisions, state_news"
        )
    return server


@pytest.fixture
def state(place: str) -> Iterator[State]:
    """An empty state."""
    made = State(place)
    yield made
    made.close()
