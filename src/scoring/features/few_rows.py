"""A few rows as named arrays: what a frame of them holds, read by the same names, without a frame's cost.

Making a DataFrame and reading a column of it cost tens of microseconds each, whatever its length; one decision reads some hundred
columns. Code that reads columns by ``np.asarray(table[name])`` takes either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

Column = npt.NDArray[Any]


class FewRows(Mapping[str, Column]):
    """Named arrays of one length.

    Parameters
    ----------
    arrays : mapping of str to array (n,)

    Examples
    --------
    >>> import numpy as np
    >>> rows = FewRows({"dpd": np.array([3, 40])})
    >>> rows["dpd"].tolist(), len(rows), "w_none" in rows, rows.take(slice(1, 2))["dpd"].tolist()
    ([3, 40], 2, False, [40])
    """

    def __init__(self, arrays: Mapping[str, Column]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Column:
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        """Rows, as of a DataFrame."""
        return len(next(iter(self._arrays.values()))) if self._arrays else 0

    @property
    def columns(self) -> list[str]:
        """The names."""
        return list(self._arrays)

    def assign(self, **columns: Column) -> FewRows:
        """The same with some columns put in or replaced."""
        return FewRows({**self._arrays, **columns})

    def take(self, rows: slice) -> FewRows:
        """The same names for some of the rows; views of the same arrays."""
        return FewRows({name: column[rows] for name, column in self._arrays.items()})
