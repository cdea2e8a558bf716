"""Real processes: killed while they write, and writing at once, on both databases. `kill_study` does the same at 200 points."""

from __future__ import annotations

from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from tests.ledger.kill_study import RECORDS_PER_BATCH, Toll, acknowledged_by, kill_many, look, start


def test_processes_killed_while_writing_lose_nothing_acknowledged_and_leave_no_half_batch(place: str) -> None:
    toll, wrong = kill_many(place, points=2, seed=1)

    assert (toll.kills, wrong) == (2, [])


def test_a_killed_run_is_simply_run_again(place: str) -> None:
    with start(place, "P", 3) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(8)]
        writer.kill()
        lines += writer.stdout.read().splitlines(keepends=True)

    finisher = start(place, "P", 3)
    finisher.communicate(timeout=60)

    assert finisher.returncode == 0
    assert look(place, Toll(acknowledged=acknowledged_by(lines))) == []
    with Ledger.open(place) as ledger:
        assert ledger.head().seq == 3 * (RECORDS_PER_BATCH + 2)


def test_several_processes_at_once_leave_one_unbroken_chain(place: str) -> None:
    Ledger.open(place).close()
    writers = [start(place, name, 2) for name in ("P", "Q", "P")]  # two of them write the very same batches
    for writer in writers:
        writer.communicate(timeout=120)

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with Ledger.open(place) as ledger:
        assert verify(ledger, ledger.head()) == []
        assert ledger.head().seq == 4 * (RECORDS_PER_BATCH + 2)
