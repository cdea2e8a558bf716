"""Turning days and row numbers into what the tables hold: instants, ids, row order.

Every event falls between 00:00 and 16:00 UTC, so that its day is the same in China and in UTC: decisions first, then
contacts (inside lawful hours in both time zones), then payments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from training.simulator.parameters import IntArray

InstantArray = npt.NDArray[np.datetime64]
SECOND = np.timedelta64(1, "s")


@dataclass(frozen=True)
class Clock:
    """Day numbers as dates and instants.

    Examples
    --------
    >>> clock = Clock(date(2025, 1, 1), date(2025, 1, 31))
    >>> clock.on(np.array([0, 2])).tolist()
    [datetime.date(2025, 1, 1), datetime.date(2025, 1, 3)]
    >>> clock.at(np.array([1]), np.array([3600])).tolist()
    [datetime.datetime(2025, 1, 2, 1, 0)]
    """

    first: date
    extract_on: date

    def on(self, day: IntArray) -> InstantArray:
        """Dates."""
        first = np.datetime64(self.first, "D").astype(np.int64)
        return (np.asarray(day) + first).astype("datetime64[D]")

    def at(self, day: IntArray, second: npt.NDArray[Any]) -> InstantArray:
        """Instants, so many seconds into a day."""
        first = np.datetime64(self.first, "s").astype(np.int64)
        seconds = np.asarray(day) * 86_400 + np.asarray(second).astype(np.int64) + first
        return seconds.astype("datetime64[s]").astype("datetime64[us]")

    @property
    def end(self) -> np.datetime64:
        """The first instant that the extract no longer covers."""
        return np.datetime64(self.extract_on, "us") + np.timedelta64(1, "D")


def between(rng: np.random.Generator, n: int, first_hour: float, last_hour: float) -> IntArray:
    """Random seconds of a day between two hours (UTC)."""
    return rng.integers(int(first_hour * 3600), int(last_hour * 3600), n)


def numbered(prefix: str, numbers: IntArray, width: int) -> pa.Array:
    """Ids such as ``A000007``.

    Examples
    --------
    >>> numbered("A", np.array([7, 12]), 6).to_pylist()
    ['A000007', 'A000012']
    """
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0"), "")


def nth_of_account(rows: IntArray) -> IntArray:
    """The place of each event among its account's; rows must be sorted.

    Examples
    --------
    >>> nth_of_account(np.array([4, 4, 9])).tolist()
    [0, 1, 0]
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    return np.asarray(np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows))))


def ordered(columns: dict[str, Any], *keys: str) -> dict[str, Any]:
    """All columns sorted by some of them, the first counting most."""
    order = np.lexsort([columns[key] for key in reversed(keys)])
    return {name: values[order] for name, values in columns.items()}


def chosen(columns: dict[str, Any], keep: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """All columns, rows where ``keep`` holds."""
    return {name: values[keep] for name, values in columns.items()}
