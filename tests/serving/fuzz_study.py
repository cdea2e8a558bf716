"""`python -m tests.serving.fuzz_study --calls 50000`: generated calls over every route of a service with keys, in this process.

Prints counts by route and status as Markdown, the share that was accepted, and every fault with the first call that showed it; exit 1 if
there is any.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from serving.opening import open_desk
from tests.serving.conftest import made_home
from tests.serving.fuzzing import Found, Fuzzing


def table(found: Found) -> str:
    """Counts by route and status."""
    routes = sorted({route for route, _ in found.statuses}, key=lambda route: route.partition(" ")[2])
    statuses = sorted({status for _, status in found.statuses})
    lines = [
        "| route | calls | accepted | " + " | ".join(map(str, statuses)) + " |",
        "| --- | --- | --- |" + " --- |" * len(statuses),
    ]
    for route in routes:
        counts = [found.statuses[(route, status)] for status in statuses]
        good = sum(count for status, count in zip(statuses, counts, strict=True) if status < 300)
        cells = " | ".join(f"{count:,}" if count else "" for count in counts)
        lines.append(f"| `{route}` | {sum(counts):,} | {good / sum(counts):.0%} | {cells} |")
    totals = [sum(found.statuses[(route, status)] for route in routes) for status in statuses]
    good = sum(count for status, count in zip(statuses, totals, strict=True) if status < 300)
    cells = " | ".join(f"{count:,}" for count in totals)
    return "\n".join([*lines, f"| all | {found.calls:,} | {good / found.calls:.0%} | {cells} |"])


def progress(found: Found, calls: int, seed: int) -> None:
    """A line between two rounds, for whoever waits."""
    at = f"{datetime.now(UTC):%H:%M:%S}"
    print(
        f"{at} seed {seed}: {found.calls:,} of {calls:,}, {len(found.faults)} kinds of faults",
        *found.faults,
        file=sys.stderr,
    )


def fuzzed(calls: int, seed: int) -> Found:
    """Calls to a service of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        home = made_home(Path(scratch))
        desk = open_desk(replace(home.settings, state=str(Path(scratch) / "state.db")))
        try:
            return Fuzzing(desk, home, seed).run(calls, watch=lambda found: progress(found, calls, seed))
        finally:
            desk.close()


def main() -> None:
    """Make the calls and tell what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="each with its own service, and seeds that count up")
    asked = parser.parse_args()
    began, each = time.perf_counter(), -(-asked.calls // asked.processes)
    seeds = range(asked.seed, asked.seed + asked.processes)
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        found = sum(pool.map(fuzzed, [each] * asked.processes, seeds), Found())
    spent = time.perf_counter() - began
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seeds {[*seeds]}: {found.calls:,} calls in {spent:,.0f} s")
    print(f"(load average {os.getloadavg()[0]:.1f}); calls by source: {dict(found.sources)}")
    print(
        f"The slowest call took {found.slowest[0]:.2f} s of CPU.\n\n{table(found)}\n\n{sum(found.faults.values())} faults"
    )
    for name, count in found.faults.most_common():
        print(f"\n{count} x {name}\n    first: {found.examples[name]}")
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
