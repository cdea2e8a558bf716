"""A few results that are worth keeping: the ones used last, safe to use from several threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """At most so many values, by key; the one that was used longest ago is forgotten first.

    Examples
    --------
    >>> squares = Remembered[int, int](2)
    >>> for n in (1, 2, 1, 3):
    ...     _ = squares.get(n) or squares.put(n, n * n)
    >>> squares.get(1), squares.get(2), squares.get(3)
    (1, None, 9)
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value; None where it was forgotten, or never there."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: Key, value: Value) -> Value:
        """Keep a value, and give it back."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
