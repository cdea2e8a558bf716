"""Real processes: killed while they write, and writing at once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify

WRITER = Path(__file__).with_name("batch_writer.py")
RECORDS_PER_BATCH = 4 * 150


def start(path: Path, name: str, batches: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(path), name, str(batches)], stdout=subprocess.PIPE, text=True
    )


def written_by(path: Path, batch_id: str) -> tuple[int, int]:
    """How many records of a batch there are, and how many its closing record counts."""
    with Ledger.open(path, read_only=True) as ledger:
        batch = ledger.batch(batch_id)
        return sum(r.batch_id == batch_id for r in ledger.records(kind="decision")), batch.n_records if batch else 0


@pytest.mark.parametrize("seed", range(4))
def test_a_process_killed_while_writing_loses_nothing_acknowledged_and_leaves_no_half_batch(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "ledger.db"
    chance = random.Random(seed)
    acknowledged: set[str] = set()

    for _ in range(2):  # killed twice, the second time after it took up what the first had left
        writer = start(path, "P", 40)
        assert writer.stdout is not None
        lines = [writer.stdout.readline().split() for _ in range(chance.randint(1, 60))]
        writer.send_signal(signal.SIGKILL)
        lines += [line.split() for line in writer.communicate()[0].splitlines()]
        assert writer.returncode == -signal.SIGKILL
        acknowledged |= {words[1] for words in lines if words[0] == "done"}

        with Ledger.open(path) as ledger:
            assert verify(ledger) == []
            assert acknowledged <= {record.record_id for record in ledger.records()}

    finisher = start(path, "P", 3)
    finisher.communicate(timeout=60)
    assert finisher.returncode == 0
    assert [written_by(path, f"P-{number}") for number in range(3)] == [(RECORDS_PER_BATCH, RECORDS_PER_BATCH)] * 3
    with Ledger.open(path) as ledger:
        assert verify(ledger, ledger.head()) == []


def test_two_processes_that_write_at_once_leave_one_valid_chain_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    writers = [start(path, name, 4) for name in ("P", "Q")]
    for writer in writers:
        writer.communicate(timeout=60)

    assert [writer.returncode for writer in writers] == [0, 0]
    with Ledger.open(path) as ledger:
        assert verify(ledger, ledger.head()) == []
        assert ledger.head().seq == 2 * 4 * (RECORDS_PER_BATCH + 2)


def test_two_processes_that_write_the_same_batches_at_once_write_them_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    writers = [start(path, "P", 3) for _ in range(2)]
    for writer in writers:
        writer.communicate(timeout=60)

    assert [writer.returncode for writer in writers] == [0, 0]
    with Ledger.open(path) as ledger:
        assert verify(ledger, ledger.head()) == []
        assert ledger.head().seq == 3 * (RECORDS_PER_BATCH + 2)
