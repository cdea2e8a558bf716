"""Small simulated portfolios, each simulated once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from training.simulator import simulate


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with a simulated portfolio, without truth unless asked for; each request is simulated once a session."""

    @cache
    def folder(
        world: str = "base", accounts: int = 2_000, seed: int = 11, months: int = 12, *, truth: bool = False
    ) -> Path:
        days = None if truth else []
        return simulate(tmp_path_factory.mktemp(world) / "portfolio", accounts, seed, world, months, truth_on=days)

    return folder
