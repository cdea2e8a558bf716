"""Both databases: every test that takes `place` runs on an empty SQLite file and on an empty PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest


@pytest.fixture
def postgres(server: str) -> str:
    """The address of a database without a ledger."""
    with psycopg.connect(server) as connection:
        connection.execute("DROP SCHEMA IF EXISTS scoring_ledger CASCADE")
    return server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return str(request.getfixturevalue("postgres"))
