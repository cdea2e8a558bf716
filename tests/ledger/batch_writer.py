"""A process that writes batches and single records and says so; the crash tests kill it, and run two of it at once.

``python batch_writer.py LEDGER NAME BATCHES`` writes batches ``NAME-0`` ..., each followed by one single record, and
prints a line for every block handed over and every id acknowledged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from scoring.ledger.canonical import canonical_column
from scoring.ledger.record import Batch, Record
from scoring.ledger.store import Ledger

AT = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
BLOCKS, ROWS = 4, 150


def say(*words: object) -> None:
    print(*words, flush=True)


def blocks(batch_id: str) -> Iterator[pa.Table]:
    for number in range(BLOCKS):
        ids = pa.array([f"{batch_id}-{number}-{row}" for row in range(ROWS)])
        values = np.arange(ROWS * 60, dtype=np.float64).reshape(ROWS, 60) / 7
        body = canonical_column({"record_id": ids, "values": values})
        yield pa.table({"record_id": ids, "account_id": ids, "body": body})
        say("block", batch_id)


def main(place: str, name: str, batches: int) -> None:
    with Ledger.open(place) as ledger:
        say("open", name)
        for number in range(batches):
            batch_id = f"{name}-{number}"
            ledger.append_batch(Batch(batch_id, "decision", date(2025, 5, 1)), blocks(batch_id), recorded_at=AT)
            say("done", f"batch:{batch_id}")
            ledger.append([Record(f"{batch_id}-alone", "outcome", {"number": number})], recorded_at=AT)
            say("done", f"{batch_id}-alone")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
