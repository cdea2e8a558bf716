"""The state in PostgreSQL: nobody waits for another's lock, or for a worker that is stuck, without an end."""

from __future__ import annotations

from time import sleep

import psycopg
import pytest
from sqlalchemy import text

from scoring.errors import BadRequestError
from serving.state.database import LONGEST_PAUSE_SECONDS, State, StateUnavailableError
from tests.ledger.test_postgres import saying

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('customer C1', 0))"


def test_its_connections_carry_limits_and_keep_what_the_address_says(server: str) -> None:
    state = State(saying(server, "-c work_mem=5MB"))
    names = ("lock_timeout", "idle_in_transaction_session_timeout", "work_mem")

    with state.reading() as connection:
        found = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    state.close()

    assert found == ["20s", f"{LONGEST_PAUSE_SECONDS}s", "5MB"]


def test_who_waits_too_long_for_another_is_refused_with_a_hint_and_changes_nothing(server: str) -> None:
    state = State(saying(server, "-c lock_timeout=100ms"))

    with psycopg.connect(server) as other:
        other.execute(LOCK)
        with pytest.raises(StateUnavailableError, match="Ask again"), state.writing("customer C1"):
            raise AssertionError("nobody gets here while the other writes")
    state.close()


def test_a_worker_that_is_stuck_in_its_transaction_lets_the_others_go_on(server: str) -> None:
    state = State(saying(server, "-c idle_in_transaction_session_timeout=100ms"))

    with pytest.raises(StateUnavailableError, match="Ask again"), state.writing("customer C1"):
        sleep(0.5)
        with psycopg.connect(server) as other:
            other.execute(f"SET lock_timeout = '5s'; {LOCK}".encode())

    with state.writing("customer C1") as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    state.close()


def test_a_value_that_the_database_cannot_keep_is_a_bad_request(server: str) -> None:
    state = State(server)

    with pytest.raises(BadRequestError, match="cannot keep"), state.reading() as connection:
        connection.execute(text("SELECT :name"), {"name": "a\0"})
    state.close()
