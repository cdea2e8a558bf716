"""Where each account stands in a table, in twelve bytes an account: a dictionary of a million names takes ten times that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class RowNumbers(Mapping[str, int]):
    """Rows by account id, found by the hash of the id and checked against the id itself.

    Parameters
    ----------
    account_ids : sequence of str
        Each once, in the order of the table; an Arrow array is kept, not copied.

    Examples
    --------
    >>> rows = RowNumbers(["A7", "A3"])
    >>> rows["A3"], rows.get("A1", -1), "A7" in rows, list(rows)
    (1, -1, True, ['A7', 'A3'])
    """

    def __init__(self, account_ids: Sequence[str]) -> None:
        self._ids = pa.array(account_ids, pa.large_string())
        hashes = np.fromiter((hash(name) for name in account_ids), dtype=np.int64, count=len(account_ids))
        self._rows: npt.NDArray[Any] = np.argsort(hashes, kind="stable").astype(np.int32)
        self._hashes = hashes[self._rows]

    def __getitem__(self, account_id: str) -> int:
        asked = hash(account_id)
        place = int(self._hashes.searchsorted(asked))
        while place < len(self._hashes) and self._hashes[place] == asked:
            row = int(self._rows[place])
            if self._ids[row].as_py() == account_id:
                return row
            place += 1
        raise KeyError(account_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.to_pylist())

    def __len__(self) -> int:
        return len(self._rows)
