"""The end of what lasts too long: as `asyncio.timeout`, for less than half of what that costs each request."""

from __future__ import annotations

from asyncio import CancelledError, current_task, get_running_loop
from collections.abc import Callable
from types import TracebackType
from typing import Self

from scoring.errors import ScoringError


class InTime:
    """What is done within this block is refused when it takes longer.

    Parameters
    ----------
    seconds : float
    late : callable
        Makes the refusal.

    Examples
    --------
    >>> import asyncio
    >>> async def slow():
    ...     with InTime(0.01, lambda: ScoringError("It took too long.")):
    ...         await asyncio.sleep(1)
    >>> asyncio.run(slow())
    Traceback (most recent call last):
    ...
    scoring.errors.ScoringError: It took too long.
    """

    __slots__ = ("_cancelling", "_is_over", "_late", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float, late: Callable[[], ScoringError]) -> None:
        self._seconds, self._late, self._is_over = seconds, late, False

    def __enter__(self) -> Self:
        task = current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._timer = get_running_loop().call_later(self._seconds, self._end)
        return self

    def lift(self) -> None:
        """From now on it may last."""
        self._timer.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        if self._is_over:
            is_ours = self._task.uncancel() <= self._cancelling  # somebody else may have cancelled the request too
            if is_ours and kind is CancelledError:
                raise self._late() from None

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()
