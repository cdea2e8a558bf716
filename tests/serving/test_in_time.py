"""A limit of time cancels what it stands around, and nothing else is taken for its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from scoring.errors import ScoringError
from serving.in_time import InTime


def late() -> ScoringError:
    return ScoringError("late")


def earlier() -> ScoringError:
    return ScoringError("earlier")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_ends_in_time_is_not_disturbed_and_leaves_no_timer() -> None:
    async def work() -> None:
        with InTime(0.01, late):
            pass
        await asyncio.sleep(0.05)

    run(work())


def test_after_a_refusal_the_task_is_not_seen_as_cancelled() -> None:
    async def work() -> None:
        with pytest.raises(ScoringError, match="late"), InTime(0.01, late):
            await asyncio.sleep(5)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    run(work())


def test_an_error_of_the_work_itself_passes_through_even_when_the_time_is_over() -> None:
    async def work() -> None:
        with InTime(0.01, late):
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                raise ValueError("own") from None

    with pytest.raises(ValueError, match="own"):
        run(work())


def test_who_is_cancelled_from_outside_at_the_same_moment_stays_cancelled() -> None:
    async def inner() -> None:
        with InTime(0.01, late):
            await asyncio.sleep(5)

    async def work() -> None:
        task = asyncio.ensure_future(inner())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        time.sleep(0.05)  # both are due in the loop's next turn
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())


@pytest.mark.parametrize(("inner", "outer", "told"), [(0.01, 5.0, "earlier"), (5.0, 0.01, "late")])
def test_of_two_limits_within_each_other_the_one_that_ends_first_is_told(inner: float, outer: float, told: str) -> None:
    async def work() -> None:
        with InTime(outer, late), InTime(inner, earlier):
            await asyncio.sleep(5)

    with pytest.raises(ScoringError, match=told):
        run(work())


def test_two_limits_that_end_together_are_told_as_the_outer_one() -> None:
    async def work() -> None:
        with InTime(0.01, late), InTime(0.01, earlier):
            await asyncio.sleep(5)

    with pytest.raises(ScoringError, match="late"):
        run(work())


def test_a_limit_that_was_lifted_ends_nothing() -> None:
    async def work() -> None:
        with InTime(0.01, late) as limit:
            limit.lift()
            await asyncio.sleep(0.05)

    run(work())
