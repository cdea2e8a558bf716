"""A soak: the service under half of what it can answer, for a while, with its memory watched.

``python -m tests.serving.soak --minutes 20 --share 0.5``. First the capacity of a mix of all routes is measured with a closed loop; then
the same mix arrives at that share of it, whether or not earlier answers are there (open loop), against ``bentoml serve`` with two workers
on a small home. Every ten seconds the resident memory of each worker is read.

Exits 1 if anything else than 200 is answered, or if memory is not flat. Flat means: over the last two thirds of the run, the slope of a
straight line through a worker's memory, less twice its standard error, is at most 0.5 MiB a minute, and the last tenth of that part lies
at most 5 % above its first tenth. The first third is left out: caches fill in it. Both must hold for each worker, so growth is not
forgiven because it is noisy unless it is also small. What was told during the day is kept in memory on purpose, about 2 kB an outcome.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import numpy as np

from serving.current_plan import read_current_plan
from serving.load import histories
from serving.settings import Settings
from tests.serving.conftest import AS_OF
from tests.serving.kill_study import day_of
from tests.serving.study_load import DECISION, OUTCOME, PERMIT, Ask, Day
from tests.serving.study_service import Whole, home_on

SAMPLED_SECONDS: Final = 10.0
MOST_MIB_A_MINUTE: Final = 0.5
MOST_GROWTH: Final = 1.05
SHARES: Final = {
    "score, stored": 10, "score, inline": 4, "queue": 4, "decision of the plan": 4, DECISION: 3, PERMIT: 4, OUTCOME: 2, "explanation": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request of the mix."""

    route: str
    method: str
    path: str
    body: bytes | None = None
    key: str | None = None


@dataclass
class Seen:
    """Latencies by route in seconds, answers by status and code, and memory: seconds and MiB for each worker."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[str] = field(default_factory=Counter)
    memory: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    late: int = 0


class Mix:
    """Endless requests in the shares of `SHARES`."""

    def __init__(self, settings: Settings, seed: int) -> None:
        plan = read_current_plan(settings.home)
        self._chance, self._day = random.Random(seed), day_of(settings, seed)
        self._ids = [str(name) for name in plan.decisions["account_id"]]
        self._decisions = [str(name) for name in plan.decisions["decision_id"]]
        self._inline = [
            json.dumps({"accounts": [one], "as_of": AS_OF.isoformat()}).encode()
            for one in histories(settings, self._ids[:20])
        ]
        self._of_day: dict[str, Iterator[Ask]] = {kind: _only(self._day, kind) for kind in (DECISION, OUTCOME, PERMIT)}

    def __iter__(self) -> Iterator[Request]:
        while True:
            yield self._one(self._chance.choices(list(SHARES), list(SHARES.values()))[0])

    def _one(self, route: str) -> Request:
        if route in self._of_day:
            asked = next(self._of_day[route])
            return Request(route, "POST", asked.path, asked.body, asked.key)
        stored = json.dumps({"account_ids": [self._chance.choice(self._ids)]}).encode()
        made: dict[str, Callable[[], Request]] = {
            "score, stored": lambda: Request(route, "POST", "/v1/score", stored),
            "score, inline": lambda: Request(route, "POST", "/v1/score", self._chance.choice(self._inline)),
            "queue": lambda: Request(route, "GET", "/v1/queue?limit=50"),
            "decision of the plan": lambda: Request(route, "POST", "/v1/decisions", stored),
            "explanation": lambda: Request(
                route, "GET", f"/v1/decisions/{self._chance.choice(self._decisions)}/explanation"
            ),
        }
        return made[route]()


def _only(day: Day, kind: str) -> Iterator[Ask]:
    while True:
        asked = day.ask()
        if asked.kind == kind:
            yield asked


async def send(http: httpx.AsyncClient, asked: Request, seen: Seen, due: float) -> None:
    """Ask, and note how long it took from when it was due."""
    headers = {"content-type": "application/json", "idempotency-key": asked.key or str(uuid4())}
    try:
        answer = await http.request(asked.method, asked.path, content=asked.body, headers=headers)
    except httpx.TransportError as error:
        seen.answers[f"{asked.route}: {type(error).__name__}"] += 1
        return
    seen.took[asked.route].append(time.perf_counter() - due)
    code = "" if answer.status_code == 200 else f" {answer.json().get('code')}"
    seen.answers[f"{asked.route}: {answer.status_code}{code}"] += 1


async def capacity(http: httpx.AsyncClient, mix: Iterator[Request], seconds: float, connections: int) -> float:
    """Requests a second that a closed loop of some connections gets answered."""
    ends, n = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal n
        while time.perf_counter() < ends:
            await send(http, next(mix), Seen(), time.perf_counter())
            n += 1

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return n / (time.perf_counter() - began)


async def soak(http: httpx.AsyncClient, mix: Iterator[Request], rate: float, seconds: float, pids: list[int]) -> Seen:
    """Ask at a rate, whatever is still under way."""
    seen, chance = Seen(), random.Random(0)
    began = time.perf_counter()
    watching = asyncio.create_task(watch(pids, seen, began))
    under_way: set[asyncio.Task[None]] = set()
    due = began
    while due < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(send(http, next(mix), seen, due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due += chance.expovariate(rate)
    await asyncio.gather(*under_way)
    watching.cancel()
    return seen


async def watch(pids: list[int], seen: Seen, began: float) -> None:
    """Read the workers' resident memory from time to time."""
    while True:
        for pid in pids:
            seen.memory[pid].append((time.perf_counter() - began, resident_mib(pid)))
        await asyncio.sleep(SAMPLED_SECONDS)


def resident_mib(pid: int) -> float:
    """Resident memory of a process, as Linux tells it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@dataclass(frozen=True)
class Growth:
    """A straight line through a worker's memory after the first third: MiB a minute, its standard error, and last tenth over first."""

    slope: float
    error: float
    ratio: float

    @property
    def is_flat(self) -> bool:
        """The rule of the module's docstring."""
        return self.slope - 2 * self.error <= MOST_MIB_A_MINUTE and self.ratio <= MOST_GROWTH


def growth(samples: list[tuple[float, float]]) -> Growth:
    """What a worker's memory did.

    >>> growth([(10.0 * k, 400.0) for k in range(60)]).is_flat, growth([(10.0 * k, 400.0 + k) for k in range(60)]).is_flat
    (True, False)
    """
    rest = np.array(samples[len(samples) // 3 :])
    minutes, mib = rest[:, 0] / 60, rest[:, 1]
    slope, level = np.polyfit(minutes, mib, 1)
    residuals = mib - (slope * minutes + level)
    spread = float(((minutes - minutes.mean()) ** 2).sum())
    error = float(np.sqrt((residuals**2).sum() / max(len(rest) - 2, 1) / spread))
    tenth = max(len(rest) // 10, 1)
    return Growth(float(slope), error, float(mib[-tenth:].mean() / mib[:tenth].mean()))


def report(seen: Seen, rate: float, most: float) -> bool:
    """Print what was seen; whether all is well."""
    print(
        f"capacity of the mix {most:.0f} requests a second; asked {rate:.0f} a second, {sum(seen.answers.values())} in all\n"
    )
    print("| route | requests | p50 ms | p99 ms |\n| --- | --- | --- | --- |")
    for route, took in sorted(seen.took.items()):
        p50, p99 = np.quantile(np.array(took) * 1e3, (0.5, 0.99))
        print(f"| {route} | {len(took)} | {p50:.1f} | {p99:.1f} |")
    print("\nanswers: " + ", ".join(f"{name} {n}" for name, n in sorted(seen.answers.items())))
    flat = True
    for number, samples in enumerate(seen.memory.values(), 1):
        found = growth(samples)
        flat &= found.is_flat
        at = " ".join(f"{mib:.0f}" for _, mib in samples[:: max(1, len(samples) // 20)])
        print(
            f"worker {number}: MiB {at}; {found.slope:+.2f} MiB a minute (standard error {found.error:.2f}), last tenth "
            f"{found.ratio:.3f} of the first: {'flat' if found.is_flat else 'NOT FLAT'}"
        )
    unexpected = [name for name in seen.answers if not name.endswith(": 200")]
    print(f"unexpected answers: {unexpected or 'none'}")
    return flat and not unexpected


async def run(settings: Settings, service: Whole, minutes: float, share: float, seed: int) -> bool:
    """Measure the capacity, then soak."""
    mix = iter(Mix(settings, seed))
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=service.address, limits=limits, timeout=120) as http:
        await capacity(http, mix, 10, 8)  # every route once warm
        most = await capacity(http, mix, 20, 8)
        seen = await soak(http, mix, most * share, minutes * 60, service.pids())
    return report(seen, most * share, most)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=6_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    asked = parser.parse_args()
    with home_on(asked.database, asked.accounts) as (settings, _), tempfile.TemporaryDirectory(prefix="log-") as log:
        service = Whole(settings, Path(log) / "log")
        service.start()
        try:
            is_well = asyncio.run(run(settings, service, asked.minutes, asked.share, asked.seed))
        finally:
            service.kill()
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
