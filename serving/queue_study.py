"""`python -m serving.queue_study`: pages of a queue of a million accounts, in process and over HTTP.

The current plan's own files are repeated under new account and decision ids until they hold a million decisions, and served with the
ledger, bundle and portfolio they belong to. Pages are asked for with and without a channel, at the head and deep inside, before and after a
thousand accounts at the head were moved or dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

import numpy as np
import pandas as pd

from scoring.vocabulary import Channel
from serving.current_plan import ALL_CHANNELS, CurrentPlan, read_current_plan
from serving.customer_rows import CustomerRows
from serving.live_queue import LiveQueues
from serving.load import free_port, plan_asked_about, running
from serving.load_asking import Ask, Measured, ask_for
from serving.nightly import CURRENT
from serving.redecided import Redecided
from serving.serve import command, environment
from serving.settings import Settings, read_settings
from serving.state.database import State
from serving.state.events import keep_redecision
from serving.today import Today

CHANNEL = Channel.SMS
KEPT = ("bundles", "policies", "tables", "ledger.db", "ledger-subjects.db")


def large_home(home: Path, into: Path, accounts: int) -> None:
    """A state folder whose plan has so many decisions; everything else is the one it was made from."""
    for name in KEPT:
        if (home / name).is_dir():
            (into / name).symlink_to((home / name).resolve())
        elif (home / name).is_file():
            shutil.copyfile(home / name, into / name)
    pointer = json.loads((home / "plans" / CURRENT).read_text(encoding="utf-8"))
    small, large = home / "plans" / pointer["plan"], into / "plans" / pointer["plan"]
    large.mkdir(parents=True)
    shutil.copyfile(home / "plans" / CURRENT, into / "plans" / CURRENT)
    for file in small.iterdir():
        if file.suffix != ".parquet" and file.is_file():
            shutil.copyfile(file, large / file.name)
    decisions, scores = (pd.read_parquet(small / f"{name}.parquet") for name in ("decisions", "scores"))
    copies = -(-accounts // len(decisions))
    repeated(decisions, copies).iloc[:accounts].to_parquet(large / "decisions.parquet", index=False)
    repeated(scores, copies).iloc[:accounts].to_parquet(large / "scores.parquet", index=False)


def repeated(table: pd.DataFrame, copies: int) -> pd.DataFrame:
    """The rows of a plan's file under new ids, a little dearer each time; the first copy keeps its ids.

    Examples
    --------
    >>> one = pd.DataFrame({"account_id": ["A1"], "rank": [1], "priority_value_cents": [500]})
    >>> repeated(one, 2).to_dict("list")
    {'account_id': ['A1', 'A1-1'], 'rank': [1, 2], 'priority_value_cents': [500, 499]}
    """
    number = np.repeat(np.arange(copies), len(table))
    found = pd.concat([table] * copies, ignore_index=True)
    later = number > 0
    found.loc[later, "account_id"] = [
        f"{name}-{k}" for name, k in zip(found["account_id"][later], number[later], strict=True)
    ]
    if "decision_id" in found:
        found.loc[later, "decision_id"] = [str(UUID(int=k)) for k in np.flatnonzero(later).tolist()]
    for name in {"priority_value_cents", "loss_cents"} & set(found):
        found[name] -= number
    if "rank" in found:
        found["rank"] = np.where(found["rank"] > 0, (found["rank"] - 1) * copies + number + 1, 0)
    return found


def moved(plan: CurrentPlan, state: State, count: int) -> None:
    """Every other of the first accounts moves to the middle of the queue, the others leave it."""
    head = [int(row) for row in plan.order[ALL_CHANNELS][:count]]
    middle = plan.order[ALL_CHANNELS][len(plan.order[ALL_CHANNELS]) // 2]
    for number, (row, decision) in enumerate(zip(plan.queue_rows(head), plan.answers(head), strict=True)):
        later = {**row, "rank": 0, "priority_value_cents": int(plan.priorities[middle])}
        one = Redecided.of(decision, later if number % 2 else None, int(plan.losses[middle]), number)
        keep_redecision(state, row["account_id"], plan.run_id, number, one.body())


def deep(queues: LiveQueues, channel: Channel | None, pages: int = 200) -> str:
    """The cursor some pages into a queue."""
    cursor: str | None = None
    for _ in range(pages):
        _, following = queues.page(channel, 500, cursor)
        if following is None:
            break
        cursor = following
    assert cursor is not None
    return cursor


def pages(queues: LiveQueues) -> Iterator[tuple[str, Channel | None, str | None]]:
    """What is asked for: a name, a channel, a cursor."""
    for channel in (None, CHANNEL):
        name = "all channels" if channel is None else str(channel)
        yield f"{name}, head", channel, None
        yield f"{name}, deep", channel, deep(queues, channel)


def asked_in_process(plan: CurrentPlan, state: State, when: str) -> dict[str, str]:
    """Print what each page costs without HTTP, and give the paths that ask for them."""
    unread = cast(CustomerRows, None)  # pages read no portfolio
    today, asks = Today(state, unread, plan.as_of, plan.run_id), {}
    today.refresh()
    queues = LiveQueues(plan, today)
    for name, channel, cursor in pages(queues):
        print(f"| in process, {when}: {name} | {in_process(partial(queues.page, channel, 50, cursor))} |")
        given = {"limit": "50", "channel": channel, "cursor": cursor}
        asks[name] = "/v1/queue?" + urlencode({key: value for key, value in given.items() if value is not None})
    return asks


def in_process(ask: Callable[[], object], times: int = 300) -> str:
    """Milliseconds of one page: median and 99th of 100."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1e3)
    return f"{np.quantile(took, 0.5):.2f} | {np.quantile(took, 0.99):.2f}"


def over_http(
    settings: Settings, folder: Path, seconds: float, asks: dict[str, str]
) -> Iterator[tuple[str, Measured, str]]:
    """Each question over four connections, and the worker's memory after it."""
    own = environment(settings) | {"SCORING_PORT": str(settings.port), "SCORING_STATE": settings.state_place}
    with running(command(settings), own, settings.port, folder) as server:
        print(f"ready in {server.ready_seconds:.1f} s, worker {resident(server.process)}")
        for name, path in asks.items():
            found = ask_for(server.port, [Ask.of("GET", path)] * 20, seconds, 4, server.process)
            yield name, found, resident(server.process)


def resident(process: int) -> str:
    """Memory of the largest process under one, where the system tells."""
    largest = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if int(facts["PPid"]) == process:
                largest = max(largest, int(facts.get("VmRSS", "0 kB").split()[0]))
        except (OSError, ValueError, KeyError):
            continue  # it has just ended
    return f"{largest / 1024:.0f} MiB"


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one question over HTTP")
    given = parser.parse_args()
    base = read_settings()
    plan_asked_about(base)
    with tempfile.TemporaryDirectory(prefix="queue-study-") as scratch:
        folder = Path(scratch)
        large_home(base.home, folder, given.accounts)
        settings = replace(base, home=folder, port=free_port(), ledger="", state=str(folder / "state.db"))
        told = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, Python {platform.python_version()}"
        print(f"{told}, load {os.getloadavg()[0]:.1f}, {given.accounts:,} decisions")
        plan, state, asks = read_current_plan(folder), State(settings.state_place), {}
        print("\n| page of 50 rows | p50 ms | p99 ms |\n| --- | --- | --- |")
        for when, count in (("the plan as it was made", 0), ("1,000 moved or dropped", 1_000)):
            moved(plan, state, count)
            asks = asked_in_process(plan, state, when)
        print(
            "\n| over HTTP, 1,000 moved or dropped | pages a second | p50 ms | p99 ms | CPU ms | not 200 | worker |\n| "
            + "--- | " * 7
        )
        for name, found, memory in over_http(settings, folder, given.seconds, asks):
            figures = (
                f"{found.rate:.0f} | {found.p50_ms:.1f} | {found.p99_ms:.1f} | {found.cpu_ms:.2f} | {found.failed}"
            )
            print(f"| {name} | {figures} | {memory} |")


if __name__ == "__main__":
    main()
