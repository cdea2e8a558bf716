"""Log lines are written at once, as lines of JSON, and a disk that is full fails nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from serving import log_lines


@pytest.fixture(autouse=True)
def _serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "WRITERS", [])
    log_lines.write_log_lines()


def test_a_line_is_whole_json_with_its_time_and_event_first(capfd: pytest.CaptureFixture[str]) -> None:
    log_lines.log("desk.swapped", bundle_id="ab")
    log_lines.log("desk.kept", code="no_plan")

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [list(line) for line in lines] == [["at", "event", "bundle_id"], ["at", "event", "code"]]
    assert all(line["at"].endswith("+00:00") for line in lines)


def test_each_worker_writes_a_line_once(capfd: pytest.CaptureFixture[str]) -> None:
    log_lines.write_log_lines()
    log_lines.log("desk.kept")

    assert len(capfd.readouterr().out.splitlines()) == 1


def test_a_full_disk_costs_the_line_and_says_so_and_fails_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        log_lines.log("desk.kept")

    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "A log line was lost: No space left on device.\n")
