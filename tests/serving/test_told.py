"""What was told where the extract has no table for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from scoring.decisions.account_events import account_events, open_standings
from scoring.features.one_account.few import build_few
from scoring.policy.portfolio_facts import PERSON_FLAGS
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
from serving.customer_rows import CustomerRows
from serving.state.database import State
from serving.state.events import Told, keep_event
from serving.today import Today

AS_OF, NOW = date(2025, 4, 20), datetime(2025, 4, 20, 4, tzinfo=UTC)
DEAD = {"account_id": "A1", "kind": "deceased", "from_at": "2025-01-03T00:00:00Z"}


@pytest.fixture
def today(tmp_path: Path) -> Iterator[Today]:
    state, portfolio = State(str(tmp_path / "state.db")), portfolio_from_tables(SMALLEST)
    keep_event(state, Told("k", "standings", "A1", "C1", NOW, DEAD), NOW)
    made = Today(state, CustomerRows(portfolio), AS_OF, "run")
    made.refresh()
    yield made
    state.close()
    portfolio.connection.close()


def test_a_death_counts_although_no_standings_were_ever_delivered(today: Today) -> None:
    assert "standings" not in SMALLEST and "deceased" in PERSON_FLAGS

    judged = today.customer("C1")

    events = account_events(judged, np.array(["A1"], dtype=object), AS_OF)
    assert open_standings(events)["kind"].tolist() == ["deceased"]
    judged.connection.close()


def test_features_go_on_saying_that_standings_are_not_observed(today: Today) -> None:
    before = build_few(portfolio_from_tables(SMALLEST), today.seen_on("A1"))

    assert today.frame("A1", "C1").values.tobytes() == before.values.tobytes()
