"""Log lines are written at once, as lines of JSON, and a disk that is full fails nothing."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving import log_lines

FULL = Path("/dev/full")


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


@pytest.mark.skipif(
    not FULL.exists(), reason="this system has no disk that is always full: a full disk was not checked"
)
def test_a_full_disk_costs_the_line_and_says_so_and_fails_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        log_lines.log("desk.kept")

    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "A log line was lost: OSError.\n")


@pytest.mark.parametrize("closed", [None, "closed"])
def test_an_output_that_is_closed_or_was_never_there_fails_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed: str | None
) -> None:
    with Path("/dev/null").open("w") as output:
        pass
    monkeypatch.setattr(sys, "stdout", output if closed else None)
    log_lines.log("desk.kept")

    assert capfd.readouterr().err.startswith("A log line was lost: ")


def test_a_line_longer_than_a_pipe_takes_at_once_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    def some(file: int, line: bytes) -> int:
        taken.append(line[:7])
        return len(taken[-1])

    monkeypatch.setattr(log_lines, "os", SimpleNamespace(write=some))
    log_lines.log("desk.kept", code="no_plan")

    assert json.loads(b"".join(taken))["code"] == "no_plan"


def test_the_server_makes_no_line_of_its_own_for_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    served = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(served, "handlers", [])  # other tests start servers that add some

    assert not served.hasHandlers()
