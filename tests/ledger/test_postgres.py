"""The ledger's connections to PostgreSQL: replaced before use where the server closed them, and never waited for without an end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import sleep
from urllib.parse import quote

import psycopg
import pytest

from scoring.errors import NotReadyError
from scoring.ledger.postgres_connection import as_refusals, connected, working
from scoring.ledger.postgres_subjects import PostgresSubjects
from scoring.ledger.record import Record
from scoring.ledger.store import Ledger

NOW = datetime(2026, 10, 1, 4, tzinfo=UTC)


def saying(place: str, options: str) -> str:
    """An address that carries options."""
    return f"{place}{'&' if '?' in place else '?'}options={quote(options)}"


def setting(place: str, name: str) -> str:
    with connected(place) as connection:
        [found] = connection.execute("SELECT current_setting(%s)", (name,)).fetchone() or [""]
    return str(found)


def close_all(place: str) -> None:
    """What a restart of the server does to every connection of the ledger."""
    others = "application_name = 'scoring-ledger' AND pid <> pg_backend_pid()"
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}".encode())


def test_after_the_server_closed_every_connection_the_first_use_of_each_succeeds(postgres: str) -> None:
    with Ledger.open(postgres) as ledger:
        ledger.append([Record("r1", "outcome", {"n": 1}, account_id="A1")], recorded_at=NOW)
        before = ledger.head()
        close_all(postgres)

        assert ledger.head() == before
        close_all(postgres)
        ledger.append([Record("r2", "outcome", {"n": 2}, account_id="A2")], recorded_at=NOW)

        assert ledger.head().seq == before.seq + 1


def test_nobody_waits_without_an_end_and_what_the_address_says_itself_holds(postgres: str) -> None:
    own = saying(postgres, "-c work_mem=5MB -c lock_timeout=1s")

    assert setting(postgres, "lock_timeout") == "20s"
    assert setting(postgres, "idle_in_transaction_session_timeout") == "10min"
    assert (setting(own, "work_mem"), setting(own, "lock_timeout")) == ("5MB", "1s")


@pytest.mark.parametrize("options", ["-c lock_timeout=100ms", "-c idle_in_transaction_session_timeout=100ms"])
def test_who_waits_too_long_or_pauses_too_long_in_a_transaction_is_told_to_try_again(
    postgres: str, options: str
) -> None:
    with connected(postgres) as other, pytest.raises(NotReadyError, match="Try again"):
        other.execute("SELECT pg_advisory_xact_lock(7)")
        with as_refusals(), connected(saying(postgres, options)) as connection:
            connection.execute("SELECT 1")
            if "idle" in options:
                sleep(0.5)
            connection.execute("SELECT pg_advisory_xact_lock(7)")


def test_two_who_name_the_same_new_accounts_in_opposite_orders_get_the_same_references(postgres: str) -> None:
    Ledger.open(postgres).close()
    names, subjects = ["A1", "A2", "A3"], [PostgresSubjects(postgres) for _ in range(2)]
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'scoring-ledger'"
    )

    with ThreadPoolExecutor(2) as pool, psycopg.connect(postgres, autocommit=True) as watching:
        holding = working(postgres)  # both get as far as the second account
        holding.execute("INSERT INTO subjects VALUES ('A2', 'other', '')")
        first = pool.submit(subjects[0].refs, names)
        second = pool.submit(subjects[1].refs, names[::-1])
        while watching.execute(waiting).fetchone() != (2,) and not first.done():
            sleep(0.01)
        holding.rollback()
        holding.close()

        assert first.result(20) == second.result(20)[::-1]
    for each in subjects:
        each.close()
