"""`python -m serving.load`: the service beside a BentoML service that does nothing, in one run, with the same payloads.

Both run in processes of their own on this machine; one after the other answers the same bodies over a few kept connections. What
counts are the ratios: the machine's other load, which is told, slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import read_portfolio
from serving.current_plan import read_current_plan
from serving.serve import command, environment
from serving.settings import Settings, read_settings

NO_OP = """
import bentoml

@bentoml.service(name="no_op", workers=1)
class NoOp:
    @bentoml.api(route="/v1/score")
    def score(self, account_ids: list = [], accounts: list = [], as_of: str = "") -> dict:
        return {}
"""


@dataclass(frozen=True)
class Measured:
    """Requests a second, the median and the 99th of 100, in milliseconds."""

    name: str
    rate: float
    p50_ms: float
    p99_ms: float
    failed: int

    def line(self) -> str:
        """A row of a Markdown table."""
        return f"| {self.name} | {self.rate:,.0f} | {self.p50_ms:.1f} | {self.p99_ms:.1f} | {self.failed} |"


async def load(name: str, port: int, asks: list[tuple[str, str, Any]], seconds: float, connections: int) -> Measured:
    """Ask as fast as the answers come, over some connections, for some seconds."""
    times: list[float] = []
    failed, ends = 0, time.perf_counter() + seconds
    numbers = iter(range(10**9))

    async def one(client: httpx.AsyncClient) -> None:
        nonlocal failed
        while time.perf_counter() < ends:
            method, path, body = asks[next(numbers) % len(asks)]
            began = time.perf_counter()
            answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
            times.append(time.perf_counter() - began)
            failed += answer.status_code != 200

    limits = httpx.Limits(max_connections=connections)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=60) as client:
        for method, path, body in asks[:3]:
            await client.request(method, path, content=body, headers={"content-type": "application/json"})
        began = time.perf_counter()
        await asyncio.gather(*(one(client) for _ in range(connections)))
        spent = time.perf_counter() - began
    took = np.array(times) * 1e3
    return Measured(name, len(times) / spent, float(np.quantile(took, 0.5)), float(np.quantile(took, 0.99)), failed)


@contextmanager
def running(arguments: list[str], own: dict[str, str], port: int, folder: Path) -> Iterator[float]:
    """A service in a process of its own, alive; gives the seconds until then."""
    began = time.perf_counter()
    with (folder / f"log-{port}").open("wb") as log:
        process = subprocess.Popen(arguments, env=own, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            while True:
                if process.poll() is not None:
                    raise SystemExit((folder / f"log-{port}").read_text())
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def histories(settings: Settings, account_ids: list[str]) -> list[dict[str, Any]]:
    """Stored accounts as a caller would send them."""
    folder = read_current_plan(settings.home).portfolio_folder
    portfolio = read_portfolio(folder, threads=1)
    found = []
    for account_id in account_ids:
        tables = {}
        for name in sorted(portfolio.observed - {"protected"}):
            key = "account_id" if contracts()[name].has("account_id") else "customer_id"
            asked = (
                f"SELECT * FROM {name} WHERE {key} IN "  # noqa: S608 - names of contracts
                f"(SELECT {key} FROM accounts WHERE account_id = $id)"
            )
            rows = portfolio.connection.sql(asked, params={"id": account_id})
            tables[name] = [
                {k: _sent(v) for k, v in row.items() if v is not None} for row in rows.to_arrow_table().to_pylist()
            ]
        found.append(tables)
    return found


def _sent(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def asks_of(settings: Settings) -> dict[str, list[tuple[str, str, Any]]]:
    """The payloads by name."""
    plan = read_current_plan(settings.home)
    ids = plan.decisions["account_id"].tolist()
    portfolio = read_portfolio(plan.portfolio_folder, threads=1)
    other = portfolio.connection.sql("SELECT account_id FROM accounts ORDER BY account_id").df()["account_id"]
    unplanned = other[~other.isin(ids)].tolist()[:2000]
    as_of = plan.as_of.isoformat()
    earlier = (plan.as_of - pd.Timedelta(days=1)).isoformat()[:10]
    inline = [{"accounts": [one], "as_of": as_of} for one in histories(settings, ids[:20])]
    stored = [{"account_ids": [name]} for name in ids[:500]]
    hundred = [{"account_ids": ids[k : k + 100]} for k in range(0, min(len(ids) - 100, 1000), 100)]
    return {
        "one stored account": [("POST", "/v1/score", json.dumps(body)) for body in stored],
        "one inline history": [("POST", "/v1/score", json.dumps(body)) for body in inline],
        "100 stored accounts": [("POST", "/v1/score", json.dumps(body)) for body in hundred],
        "queue, 50 rows": [("GET", "/v1/queue?limit=50", None)],
        "decision of the plan": [("POST", "/v1/decisions", json.dumps(body)) for body in stored],
        "new decision, durable": [
            ("POST", "/v1/decisions", json.dumps({"account_ids": [name], "as_of": earlier if k % 2 else as_of}))
            for k, name in enumerate(unplanned)
        ],
    }


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args()
    settings = replace(read_settings(), port=free_port())
    asks = asks_of(settings)
    with tempfile.TemporaryDirectory(prefix="load-") as scratch:
        folder, rows = Path(scratch), []
        (folder / "no_op.py").write_text(NO_OP)
        port = free_port()
        no_op = [sys.executable, "-m", "bentoml", "serve", "no_op:NoOp", "--host", "127.0.0.1", "--port", str(port)]
        own = {**os.environ, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}

        def measure(name: str, port: int, what: str) -> Measured:
            found = asyncio.run(load(name, port, asks[what], given.seconds, given.connections))
            rows.append(found)
            return found

        with running(no_op, own, port, folder):
            for what in ("one stored account", "one inline history"):
                measure(f"no-op: {what}", port, what)
        state = environment(settings) | {"SCORING_PORT": str(settings.port), "SCORING_STATE": str(folder / "state.db")}
        with running(command(settings), state, settings.port, folder) as started:
            for what in asks:
                measure(what, settings.port, what)
    told = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(
        f"{told}, load {os.getloadavg()[0]:.1f}, {given.connections} connections, {given.seconds:.0f} s each, ready in {started:.1f} s"
    )
    print("\n| what | requests a second | p50 ms | p99 ms | not 200 |\n| --- | --- | --- | --- | --- |")
    print("\n".join(row.line() for row in rows))


if __name__ == "__main__":
    main()
