"""Whatever the published schema allows or forbids: no 5xx, no hang, no answer outside the schema, no key that opens more than its role.

SCORING_FUZZ_CALLS says how many calls are made, a few by default; `python -m tests.serving.fuzz_study` makes 50,000.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from serving.desk import Desk
from serving.opening import open_desk
from serving.roles import ALLOWED
from tests.serving.conftest import Home
from tests.serving.fuzzing import Fuzzing

CALLS = int(os.environ.get("SCORING_FUZZ_CALLS", "250"))


@pytest.fixture
def desk(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = open_desk(replace(home.settings, state=str(tmp_path_factory.mktemp("fuzz") / "state.db")))
    yield opened
    opened.close()


def test_no_generated_call_finds_a_fault(desk: Desk, home: Home) -> None:
    found = Fuzzing(desk, home).run(CALLS, edges=False, a_round=1)

    assert not found.faults, "\n\n".join(f"{name}\n  {found.examples[name]}" for name in found.faults)
    accepted = {route for (route, status), count in found.statuses.items() if status == 200}
    assert accepted == {
        f"{method} {path}" for method, path in ALLOWED if path not in ("/", "/docs", "/openapi.json")
    } | {"GET /healthz"}
