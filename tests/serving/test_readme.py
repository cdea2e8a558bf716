"""What the README says about calling the service is done here, word for word, against a real process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from serving.serve import environment
from tests.serving.conftest import Home
from tests.serving.test_process import free_port, served

README = Path(__file__).parents[2] / "README.md"
HEADING = "## Calling the service\n"


def blocks(language: str) -> list[str]:
    """The fenced blocks of the section."""
    section = README.read_text().partition(HEADING)[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Running:
    """A service, and the environment in which somebody calls it."""

    port: int
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        """What a program prints; it must succeed."""
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        return done.stdout


@pytest.fixture(scope="module")
def running(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("readme")
    own = shutil.copytree(home.untouched, folder / "home")
    settings = replace(home.settings, home=own, port=free_port())
    programs = str(Path(sys.executable).parent)
    with served(settings, folder) as port:
        path = os.pathsep.join([programs, os.environ["PATH"]])
        yield Running(port, folder, {**environment(settings), "PATH": path, "SCORING_THREADS": "1"})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: the README's calls were not checked")
def test_the_calls_of_the_readme_work_as_they_stand(running: Running) -> None:
    script = "set -euo pipefail\n" + "".join(blocks("bash")).replace("localhost:3000", f"localhost:{running.port}")
    assert script.count("curl") == 1 and script.count("\nask ") >= 14

    told = running.run("bash", "-c", script)

    for sign in ('"ready":true', '"next_cursor"', '"explained"', '"is_granted"', '"is_new":true', '"due_on"', "# HELP"):
        assert sign in told, sign
    assert '"outcome":"exact"' in told
    assert "<svg" in (running.folder / "explanation.html").read_text()


@pytest.mark.slow
def test_the_python_of_the_readme_works_as_it_stands(running: Running) -> None:
    [code] = blocks("python")
    key = running.run("scoring", "keys", "make", "--role", "queue", "--caller", "readme").splitlines()[0]
    running.environment["KEY"] = key

    told = running.run(sys.executable, "-c", code.replace("localhost:3000", f"localhost:{running.port}"))

    assert "404 unknown_account" in told


def test_the_readme_calls_every_route() -> None:
    from serving.app import make_app

    text = "".join(blocks("bash"))
    names = {"{decision_id}": "$DECISION", "{account_id}": "$ACCOUNT"}
    missing = []
    for path in make_app().openapi()["paths"]:
        for name, value in names.items():
            path = path.replace(name, value)
        if path not in text and path not in ("/healthz", "/v1/permits/{permit_id}/release"):
            missing.append(path)
    assert missing == []
    assert "scoring.release(" in blocks("python")[0]
