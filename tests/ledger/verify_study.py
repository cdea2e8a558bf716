"""How long it takes to verify a long ledger: a command.

``python -m tests.ledger.verify_study --out DIR [--records 1000000] [--like LEDGER] [--processes 2]`` writes a ledger of nightly batches
into DIR once (an earlier one is used again), whose bodies are the real bodies of another ledger, or the tests' worked example, repeated
under other ids; then it verifies all of it against a signed head as ``scoring verify --anchor`` does, and prints time and megabytes.
Last figures: ``verify_study.md``, beside this file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.ledger.anchors import signed_head
from scoring.ledger.canonical import canonical
from scoring.ledger.record import Batch
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from tests.explanations.invented import worked

FIRST_DAY = date(2025, 5, 1)
RECORDS_PER_NIGHT = 100_000
ROWS_PER_BLOCK = 10_000
BODIES_REPEATED = 2_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def bodies_like(ledger: Path | None) -> list[str]:
    """Bodies to repeat: those of the first decisions of a ledger, or the worked example."""
    if ledger is None:
        return [canonical(worked()).decode()]
    with Ledger.open(ledger, read_only=True) as real:
        return [record.text for record in islice(real.records(kind="decision"), BODIES_REPEATED)]


def night(number: int, count: int, bodies: Sequence[str]) -> Iterator[pa.Table]:
    """The records of one night in blocks, each body under its own id and reference."""
    for start in range(0, count, ROWS_PER_BLOCK):
        rows = range(start, min(start + ROWS_PER_BLOCK, count))
        ids = [f"N{number}-{row}" for row in rows]
        texts = [f'{{"":"{name}",{bodies[row % len(bodies)][1:]}' for row, name in zip(rows, ids, strict=True)]
        yield pa.table({"record_id": ids, "account_id": [f"A{row}" for row in rows], "body": texts})


def write(place: Path, records: int, bodies: Sequence[str]) -> None:
    """A ledger of so many decisions, in nightly batches."""
    with Ledger.open(place) as ledger:
        for number, start in enumerate(range(0, records, RECORDS_PER_NIGHT)):
            day = FIRST_DAY + timedelta(days=number)
            batch = Batch(f"night-{number}", "decision", day, {"night": number})
            blocks = night(number, min(RECORDS_PER_NIGHT, records - start), bodies)
            ledger.append_batch(batch, blocks, recorded_at=datetime(day.year, day.month, day.day, 22, tzinfo=UTC))
            print(f"night {number}: {ledger.head().seq:,} records", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--like", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write-only", action="store_true")
    asked = parser.parse_args()
    place = asked.out / f"ledger-{asked.records}.db"
    asked.out.mkdir(parents=True, exist_ok=True)
    if not place.is_file():
        write(place, asked.records, bodies_like(asked.like))
    if asked.write_only:
        return
    with Ledger.open(place, read_only=True) as ledger:
        head = signed_head(ledger, KEY, datetime(2026, 1, 1, tzinfo=UTC))
        began = time.perf_counter()
        findings = verify(ledger, ledger.head(), anchors=[head], key=KEY.public_key(), processes=asked.processes)
        seconds = time.perf_counter() - began
        print(
            f"{ledger.head().seq:,} records, {place.stat().st_size / 2**20:,.0f} MiB, {asked.processes} processes: verified in "
            f"{seconds:.1f} s, {len(findings)} findings"
        )
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
