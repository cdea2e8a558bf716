"""The real process: `bentoml serve` on a free port, answering the numbers of the plan to the last bit."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scoring.errors import MissingToolError
from serving.serve import command, environment, refuse_busy_port, refuse_open_host, serve
from serving.settings import Settings
from tests.serving.conftest import Home, settings_of

STARTS_WITHIN_SECONDS = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(port: int, path: str, body: Any = None) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[int]:
    """The service in a process of its own, started from another folder, and stopped."""
    own = {**environment(settings), "SCORING_THREADS": "1", "SCORING_PORT": str(settings.port)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(settings), env=own, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_until_alive(settings.port, process, folder / "log")
            yield settings.port
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until_alive(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(STARTS_WITHIN_SECONDS * 5):
        assert process.poll() is None, log.read_text()
        try:
            if asked(port, "/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.mark.slow
def test_the_served_numbers_are_the_plans_to_the_last_bit(home: Home, account_ids: list[str], tmp_path: Path) -> None:
    planned = pd.read_parquet(home.run.out / "scores.parquet").set_index("account_id", drop=False)
    decisions = pd.read_parquet(home.run.out / "decisions.parquet").set_index("account_id")

    with served(replace(home.settings, port=free_port()), tmp_path) as port:
        ready = asked(port, "/readyz")
        score = asked(port, "/v1/score", {"account_ids": account_ids[:5]})
        decision = asked(port, "/v1/decisions", {"account_ids": account_ids[:1]})
        page, metrics, own = asked(port, "/docs"), asked(port, "/metrics"), asked(port, "/openapi.json")
        assets, unknown = asked(port, "/static_content/swagger-ui-bundle.js"), asked(port, "/nothing")

    assert ready[0] == 200
    assert json.loads(ready[1])["ready"] is True
    for row in json.loads(score[1])["scores"]:
        same = planned.loc[row["account_id"]]
        assert {name: row[name] for name in planned.columns if name != "as_of"} == same.drop("as_of").to_dict()
    assert json.loads(decision[1])["decisions"][0]["decision_id"] == decisions.loc[account_ids[0], "decision_id"]
    assert {page[0], metrics[0], own[0], assets[0]} == {200}
    assert b'route="/v1/score"' in metrics[1]
    assert "/v1/score" in json.loads(own[1])["paths"]
    assert (unknown[0], json.loads(unknown[1])["code"]) == (404, "bad_request")


@pytest.mark.slow
def test_without_a_bundle_the_process_is_alive_and_not_ready(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    with served(replace(settings_of(tmp_path / "home"), port=free_port()), tmp_path / "elsewhere") as port:
        ready = asked(port, "/readyz")
        refused = asked(port, "/v1/score", {"account_ids": ["A1"]})

    assert (ready[0], json.loads(ready[1])["code"]) == (503, "not_ready")
    assert "scoring promote" in json.loads(ready[1])["message"]
    assert (refused[0], json.loads(refused[1])["code"]) == (409, "not_ready")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.com"])
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(MissingToolError, match="without keys"):
        refuse_open_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_local_host_is_accepted(host: str) -> None:
    refuse_open_host(host)


def test_a_busy_port_is_named_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(MissingToolError, match=f"Port {port} on 127.0.0.1 is taken.*SCORING_PORT"):
            refuse_busy_port("127.0.0.1", port)
        with pytest.raises(MissingToolError, match="SCORING_PORT"):
            serve(replace(settings_of(Path("nowhere")), port=port))


def test_the_service_is_imported_without_mlflow_and_without_loading_anything(tmp_path: Path) -> None:
    probe = (
        "import sys; from serving.service import APPLICATION; "
        "assert 'mlflow' not in sys.modules; assert APPLICATION.state.desk is None"
    )
    own = {**environment(settings_of(tmp_path / "home"))}

    done = subprocess.run([sys.executable, "-c", probe], env=own, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists()
