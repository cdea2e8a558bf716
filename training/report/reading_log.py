"""The log of every read of a test set: append-only, each line chained to the one before.

*Why*: a test set that is read often becomes a training set. Nothing forbids another look, but each one is counted and shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

from scoring.errors import BadRequestError

LOG: Final = "test_reads.jsonl"
_FIRST: Final = "0" * 64


@dataclass(frozen=True)
class Read:
    """One look at a test set: when (UTC), by whom, for which run, on which accounts and day, and why."""

    at: str
    by: str
    run_id: str
    bundle_id: str
    test_set: str
    test_day: str
    n: int
    purpose: str


def set_id(account_ids: Iterable[str], day: date, fingerprint: str) -> str:
    """What makes two test sets the same: the data, the day and the accounts.

    >>> set_id(["b", "a"], date(2026, 8, 31), "f") == set_id(["a", "b"], date(2026, 8, 31), "f")
    True
    """
    return hashlib.sha256("\n".join((fingerprint, day.isoformat(), *sorted(account_ids))).encode()).hexdigest()


def record(home: Path, read: Read) -> int:
    """Append a read; return how often this test set has been read, this time included."""
    home.mkdir(parents=True, exist_ok=True)
    lines = _lines(home)
    previous = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else _FIRST
    with (home / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps({**asdict(read), "previous": previous}, ensure_ascii=False) + "\n")
    return 1 + len([line for line in lines if json.loads(line)["test_set"] == read.test_set])


def reads(home: Path) -> list[Read]:
    """Every read, oldest first.

    Raises
    ------
    BadRequestError
        ``bad_request``: a line was changed or removed; says which.
    """
    found, previous = [], _FIRST
    for number, line in enumerate(_lines(home), start=1):
        raw = json.loads(line)
        if raw.pop("previous") != previous:
            raise BadRequestError(
                f"Line {number} of {home / LOG} does not follow from the line before it: a read was changed or removed. Restore the "
                "file from a backup; a count that cannot be trusted must not stand in a report.",
                field="test_reads",
                got=number,
            )
        found.append(Read(**raw))
        previous = hashlib.sha256(line.encode()).hexdigest()
    return found


def _lines(home: Path) -> list[str]:
    path = home / LOG
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
