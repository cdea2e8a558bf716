"""`python -m serving.load`: the service beside a BentoML service that does nothing, in one run, with the same payloads.

Both run the whole time in processes of their own on this machine, with one worker each and no other settings than their own. They are asked
in turns, a few seconds each and several rounds, over the same few kept connections. What counts are the ratios of turns that stand
next to each other: the machine's other load, which is told, slows both. Printed are medians over the rounds with their range, and
for each aim whether it was met. What is decided goes into a copy of the ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import pandas as pd

from scoring.errors import NotReadyError
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import read_portfolio
from serving.current_plan import CurrentPlan, read_current_plan
from serving.load_asking import Ask, Measured, ask_for
from serving.serve import command, environment
from serving.settings import Settings, read_settings

NO_OP: Final = """
import bentoml

@bentoml.service(name="no_op", workers=1)
class NoOp:
    @bentoml.api(route="/v1/score")
    def score(self, account_ids: list = [], accounts: list = [], as_of: str = "") -> dict:
        return {}
"""
ONE, INLINE, HUNDRED = "one stored account", "one inline history", "100 stored accounts"
QUEUE, PLANNED, NEW = "queue, 50 rows", "decision of the plan", "new decision, durable"
ANOTHER_DAY: Final = "new decision on the day before, durable"
Rounds = dict[str, list[Measured]]


@dataclass(frozen=True)
class Running:
    """A server of this run."""

    port: int
    process: int
    ready_seconds: float


@dataclass(frozen=True)
class Aim:
    """What the issue asks for: a figure of the rounds, and the most or least it may be."""

    text: str
    figure: Callable[[Rounds], list[float]]
    at_least: float = float("-inf")
    at_most: float = float("inf")

    def line(self, rounds: Rounds) -> str:
        """A row of a Markdown table; judged by the median over the rounds."""
        found = self.figure(rounds)
        middle = median(found)
        is_met = self.at_least <= middle <= self.at_most
        return f"| {self.text} | {middle:.3g} ({min(found):.3g} to {max(found):.3g}) | {'yes' if is_met else 'NO'} |"


def no_op(what: str) -> str:
    """The name of the turns of the service that does nothing."""
    return f"no-op: {what}"


def ratios(what: str, beside: str, figure: str) -> Callable[[Rounds], list[float]]:
    """A figure divided by the same one of the no-op, round by round."""
    return lambda rounds: [
        getattr(ours, figure) / getattr(theirs, figure)
        for ours, theirs in zip(rounds[what], rounds[no_op(beside)], strict=True)
    ]


def p99s(what: str) -> Callable[[Rounds], list[float]]:
    """The 99th of 100 in milliseconds, round by round."""
    return lambda rounds: [one.p99_ms for one in rounds[what]]


AIMS: Final = (
    Aim("one stored account: requests a second over the no-op's, at least 1", ratios(ONE, ONE, "rate"), at_least=1),
    Aim("one stored account: p99 over the no-op's, at most 0.2", ratios(ONE, ONE, "p99_ms"), at_most=0.2),
    Aim(
        "one inline history: requests a second over the no-op's, at least 0.5",
        ratios(INLINE, ONE, "rate"),
        at_least=0.5,
    ),
    Aim("100 stored accounts: p99 ms, at most 60", p99s(HUNDRED), at_most=60),
    Aim("queue, 50 rows: p99 ms, at most 25", p99s(QUEUE), at_most=25),
    Aim("decision of the plan: p99 ms, at most 25", p99s(PLANNED), at_most=25),
    Aim("new decision, durable: p99 ms, at most 25", p99s(NEW), at_most=25),
)


@contextmanager
def running(arguments: list[str], own: dict[str, str], port: int, folder: Path) -> Iterator[Running]:
    """A service in processes of its own, ready."""
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
            yield Running(port, process.pid, time.perf_counter() - began)
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


def plan_asked_about(settings: Settings) -> CurrentPlan:
    """The plan of the state folder; where there is none, the command ends and says so."""
    try:
        return read_current_plan(settings.home)
    except NotReadyError as error:
        raise SystemExit(f"{error.message} Or name another folder in SCORING_HOME.") from None


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


def asks_of(settings: Settings) -> dict[str, list[Ask]]:
    """The requests by name."""
    plan = plan_asked_about(settings)
    ids = plan.decisions["account_id"].tolist()
    portfolio = read_portfolio(plan.portfolio_folder, threads=1)
    other = portfolio.connection.sql("SELECT account_id FROM accounts ORDER BY account_id").df()["account_id"]
    unplanned = other[~other.isin(ids)].tolist()
    as_of = plan.as_of.isoformat()
    earlier = (plan.as_of - pd.Timedelta(days=1)).isoformat()[:10]
    return {
        ONE: [_posted("/v1/score", account_ids=[name]) for name in ids[:500]],
        INLINE: [_posted("/v1/score", accounts=[one], as_of=as_of) for one in histories(settings, ids[:20])],
        HUNDRED: [_posted("/v1/score", account_ids=ids[k : k + 100]) for k in range(0, min(len(ids) - 100, 1000), 100)],
        QUEUE: [Ask.of("GET", "/v1/queue?limit=50")],
        PLANNED: [_posted("/v1/decisions", account_ids=[name]) for name in ids[:500]],
        NEW: [_posted("/v1/decisions", account_ids=[name]) for name in unplanned],
        ANOTHER_DAY: [_posted("/v1/decisions", account_ids=[name], as_of=earlier) for name in unplanned],
    }


def copied_ledger(settings: Settings, folder: Path) -> Path:
    """A copy of the SQLite ledger and its keys, to be written to in their place."""
    for path in settings.home.glob("ledger*.db"):
        with closing(sqlite3.connect(path)) as own, closing(sqlite3.connect(folder / path.name)) as copy:
            own.backup(copy)
    return folder / settings.ledger_path.name


def _posted(path: str, **body: Any) -> Ask:
    return Ask.of("POST", path, json.dumps(body))


def report(rounds: Rounds) -> str:
    """Medians over the rounds, and every aim, as Markdown."""
    lines = [
        "| what | requests a second | p50 ms | p99 ms (range) | server CPU ms | not 200 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, turns in rounds.items():
        rate, p50, p99, cpu = (
            median(getattr(turn, of) for turn in turns) for of in ("rate", "p50_ms", "p99_ms", "cpu_ms")
        )
        span = f"{min(turn.p99_ms for turn in turns):.1f} to {max(turn.p99_ms for turn in turns):.1f}"
        lines.append(
            f"| {name} | {rate:,.0f} | {p50:.1f} | {p99:.1f} ({span}) | {cpu:.2f} | {sum(t.failed for t in turns)} |"
        )
    lines += ["", "| aim | median over the rounds (range) | met |", "| --- | --- | --- |"]
    known = [aim for aim in AIMS if _is_known(aim, rounds)]
    return "\n".join([*lines, *(aim.line(rounds) for aim in known)])


def _is_known(aim: Aim, rounds: Rounds) -> bool:
    try:
        return bool(aim.figure(rounds))
    except KeyError:
        return False


def turns(asks: dict[str, list[Ask]], only: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Name, payloads and whether the no-op is asked, in the order of one round: the no-op right before what is set against it."""
    for what in asks:
        if not only or what in only:
            if what in (ONE, INLINE):
                yield no_op(what), what, True
            yield what, what, False


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--only", nargs="*", default=[], help="names of turns, e.g. 'one stored account'")
    given = parser.parse_args()
    settings = replace(read_settings(), port=free_port())
    asks, rounds, loads = asks_of(settings), Rounds(), []
    with tempfile.TemporaryDirectory(prefix="load-") as scratch, ExitStack() as servers:
        folder, port = Path(scratch), free_port()
        (folder / "no_op.py").write_text(NO_OP)
        arguments = [sys.executable, "-m", "bentoml", "serve", "no_op:NoOp", "--host", "127.0.0.1", "--port", str(port)]
        own = {**os.environ, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
        nothing = servers.enter_context(running(arguments, own, port, folder))
        places = {"SCORING_LEDGER": str(copied_ledger(settings, folder)), "SCORING_STATE": str(folder / "state.db")}
        state = environment(settings) | {"SCORING_PORT": str(settings.port)} | places
        ours = servers.enter_context(running(command(settings), state, settings.port, folder))
        for turn in range(given.rounds):
            loads.append(os.getloadavg()[0])
            for name, what, is_no_op in turns(asks, given.only):
                server = nothing if is_no_op else ours
                own_asks = asks[what][turn :: given.rounds] if what in (NEW, ANOTHER_DAY) else asks[what]
                found = ask_for(server.port, own_asks, given.seconds, given.connections, server.process)
                rounds.setdefault(name, []).append(found)
    told = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    busy = f"load {min(loads):.1f} to {max(loads):.1f}"
    how = f"{given.connections} connections, {given.rounds} rounds of {given.seconds:g} s"
    print(f"{told}, {busy}, {how}, ready in {ours.ready_seconds:.1f} s\n")
    print(report(rounds))


if __name__ == "__main__":
    main()
