"""New decisions as fast as they come, each durable before its answer: ``python -m tests.serving.decision_study``.

A service of one worker on SQLite and one on PostgreSQL, four kept connections, several rounds; every request decides a stored account
that the plan left out, and no account twice. Prints the median over the rounds with its range, and exits 1 where the 99th of 100 takes
longer than 25 ms on either. The write-ahead log of both is flushed to disk before an answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from serving.load import NEW, asks_of
from serving.load_asking import Measured, ask_for
from serving.settings import Settings
from tests.serving.study_service import Whole, home_on

ALLOWED_P99_MS = 25.0


def measured(settings: Settings, rounds: int, seconds: float) -> list[Measured]:
    """One turn a round, each with accounts of its own."""
    asks = asks_of(settings)[NEW]
    with tempfile.TemporaryDirectory(prefix="decisions-") as folder:
        service = Whole(replace(settings, workers=1), Path(folder) / "service.log")
        service.start()
        try:
            port = int(service.address.rpartition(":")[2])
            return [ask_for(port, asks[turn::rounds], seconds, 4, service.pids()[0]) for turn in range(rounds)]
        finally:
            service.stop()


def main() -> int:
    """Measure both; 0 when both are fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--accounts", type=int, default=6_000)
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {asked.accounts:,} accounts, {asked.rounds} rounds of {asked.seconds:g} s\n")
    print("| database | decided | a second | p50 ms | p99 ms (range) | server CPU ms | not 200 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    slow = []
    for database in ("sqlite", "postgresql"):
        with home_on(database, asked.accounts) as (settings, _):
            found = measured(settings, asked.rounds, asked.seconds)
        p99s = [turn.p99_ms for turn in found]
        rate, p50, cpu = (median(getattr(turn, of) for turn in found) for of in ("rate", "p50_ms", "cpu_ms"))
        n, failed = sum(turn.n for turn in found), sum(turn.failed for turn in found)
        span = f"{median(p99s):.1f} ({min(p99s):.1f} to {max(p99s):.1f})"
        print(f"| {database} | {n:,} | {rate:,.0f} | {p50:.1f} | {span} | {cpu:.2f} | {failed} |", flush=True)
        slow += [database] if median(p99s) > ALLOWED_P99_MS or failed else []
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
