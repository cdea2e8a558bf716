"""One small simulated portfolio, trained and promoted once, for the tests of the whole line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from training.pipeline import Trained, train
from training.promotion import promote
from training.simulator import simulate

PROMOTED_AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """A portfolio, its state folder with a promoted bundle, and a day it can be planned for."""

    portfolio: Path
    home: Path
    trained: Trained
    as_of: date


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    root = tmp_path_factory.mktemp("line")
    portfolio = simulate(root / "portfolio", accounts=2500, seed=11, months=14)
    home = root / "home"
    trained = train(portfolio, home=home, threads=1)
    promote("challenger", home=home, approver="Test Approver", promoted_at=PROMOTED_AT, despite="small test portfolio")
    yield Line(portfolio, home, trained, date(2026, 8, 31))
