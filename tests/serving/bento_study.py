"""`python -m tests.serving.bento_study`: a bento, unpacked far from its checkout, in an environment made from its own requirements.

Builds the bento with the bundle that is promoted in SCORING_HOME, installs nothing but what its lock file names, with hashes, and asks the
served bento for scores of an inline history. There is no state folder, no plan, no MLflow store and no checkout in reach. Takes some
minutes, most of them to install; prints the Markdown of `bento_study.md`.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scoring.portfolio.reading import SMALLEST
from serving.release import build
from serving.settings import read_settings
from tests.serving.test_process import free_port

READY_WITHIN_SECONDS = 120
ABSENT = (
    "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(n) for n in ('scoring', 'training', 'serving')))"
)


def ask(port: int, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


@contextmanager
def serving(python: Path, bento: Path, place: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The bento, served by an interpreter from a folder, with an environment that holds nothing of this process's."""
    own = {
        "PATH": "/usr/bin:/bin", "HOME": str(place), "SCORING_HOME": str(place / "no-state"), "BENTOML_HOME": str(place / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    asked = [str(python), "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(asked, env=own, cwd=place, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def once_loaded(port: int, process: subprocess.Popen[bytes], log: Path) -> tuple[int, Any]:
    """What ``/readyz`` says as soon as the bundle is loaded."""
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            status, told = ask(port, "/readyz")
        except OSError:
            time.sleep(0.2)
            continue
        if "still loading" not in str(told.get("message")):
            return status, told
    raise SystemExit(log.read_text())


def main() -> None:
    """Build, unpack, install, serve, ask."""
    began = time.monotonic()
    made = build(read_settings().home)
    built = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="bento-"))
    try:
        bento = shutil.copytree(made.folder, place / "bento")
        python = fresh_environment(place / "environment", bento / "env" / "python" / "requirements.txt")
        installed = time.monotonic()
        port = free_port()
        with serving(python, bento, place, port) as process:
            ready = once_loaded(port, process, place / "log")
            loaded = time.monotonic()
            inline = ask(port, "/v1/score", {"accounts": [SMALLEST], "as_of": "2025-04-30"})
            stored = ask(port, "/v1/score", {"account_ids": ["A1"]})
            queue = ask(port, "/v1/queue")
        left = sorted(path.name for path in place.iterdir())
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(
        f"Run on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, `python -m tests.serving.bento_study`.\n"
    )
    print("| step | result | seconds |\n| --- | --- | ---: |")
    print(f"| `bentoml build` with bundle {made.pin.bundle_id[:16]} | {size_of(made.folder)} | {built - began:.0f} |")
    print(
        f"| fresh environment from the bento's requirements, with hashes | no package of ours in it | {installed - built:.0f} |"
    )
    print(f"| `GET /readyz` | {told(ready)} | {loaded - installed:.1f} |")
    print(f"| `POST /v1/score`, inline history | {told(inline)}, bundle {inline[1].get('bundle_id', '')[:16]} | |")
    print(f"| `POST /v1/score`, stored account | {told(stored)} | |")
    print(f"| `GET /v1/queue` | {told(queue)} | |")
    print(f"\nLeft behind in the folder it ran in: {', '.join(left)}.")
    right = inline[0] == 200 and inline[1]["bundle_id"] == made.pin.bundle_id and stored[0] == queue[0] == 409
    raise SystemExit(0 if right else 1)


def fresh_environment(place: Path, requirements: Path) -> Path:
    """An environment with what a lock file names, every hash checked, and nothing else; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    python = place / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "-qq", "--require-hashes", "-r", str(requirements)], check=True
    )
    subprocess.run([str(python), "-I", "-c", ABSENT], check=True, cwd=place)
    return python


def told(answer: tuple[int, Any]) -> str:
    """An answer in a few words."""
    status, body = answer
    return (
        f"{status} `{body['code']}`: {body['message']}"
        if "code" in body
        else f"{status}, {len(body.get('scores', ()))} account"
    )


def size_of(folder: Path) -> str:
    """The size of a folder's files."""
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 2**20:.1f} MiB"


if __name__ == "__main__":
    main()
