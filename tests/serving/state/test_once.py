"""A request under an idempotency key is done once, whatever happens to its attempts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest

from scoring.errors import BadRequestError
from serving.edge import retry_headers
from serving.once import TAKEN_OVER_AFTER, StillWorkingError, once
from serving.state.database import State, StateUnavailableError
from tests.serving.state.test_permits import NOON

LATER = NOON + timedelta(seconds=2)


def attempt(
    state: State, now: datetime, work: Callable[[datetime], bytes] = lambda at: at.isoformat().encode()
) -> bytes:
    return once(state, "key", b"body", now, work)


def fails(error: Exception) -> Callable[[datetime], bytes]:
    def work(at: datetime) -> bytes:
        raise error

    return work


@pytest.mark.parametrize("error", [StateUnavailableError("The database does not answer."), RuntimeError("a defect")])
def test_work_that_failed_is_taken_over_at_once_under_the_instant_of_the_first_attempt(
    state: State, error: Exception
) -> None:
    with pytest.raises(type(error)):
        attempt(state, NOON, fails(error))

    assert attempt(state, LATER) == NOON.isoformat().encode()
    assert attempt(state, LATER + timedelta(days=1)) == NOON.isoformat().encode()


def test_an_answer_that_could_not_be_kept_is_worked_out_again_at_once(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(at: datetime) -> bytes:
        whole = state.writing

        def writing(*alone_for: str) -> Any:
            monkeypatch.setattr(state, "writing", whole)
            raise StateUnavailableError("The database does not answer.")

        monkeypatch.setattr(state, "writing", writing)
        return b"lost"

    with pytest.raises(StateUnavailableError):
        attempt(state, NOON, stops)

    assert attempt(state, LATER) == NOON.isoformat().encode()


def test_a_refused_request_may_be_tried_again_as_a_new_one(state: State) -> None:
    with pytest.raises(BadRequestError):
        attempt(state, NOON, fails(BadRequestError("Not this.")))

    assert attempt(state, LATER) == LATER.isoformat().encode()


def test_while_an_attempt_works_another_is_told_in_how_many_seconds_to_ask_again(state: State) -> None:
    said = []

    def work(at: datetime) -> bytes:
        for seconds in (0, 1, 12):
            with pytest.raises(StillWorkingError) as refused:
                attempt(state, NOON + timedelta(seconds=seconds))
            said.append(retry_headers(refused.value))
        return b"done"

    attempt(state, NOON, work)

    assert said == [[(b"retry-after", seconds)] for seconds in (b"2", b"2", b"18")]


def test_an_attempt_that_was_cut_off_is_taken_over_by_one_other_alone(state: State) -> None:
    began, may_end = Event(), Event()

    def slow(at: datetime) -> bytes:
        began.set()
        may_end.wait(20)
        return b"slow"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(attempt, state, NOON, slow)
        began.wait(20)
        late = NOON + TAKEN_OVER_AFTER

        def second(at: datetime) -> bytes:
            with pytest.raises(StillWorkingError):
                attempt(state, late + timedelta(seconds=1))
            return b"taken over"

        assert attempt(state, late, second) == b"taken over"
        may_end.set()

        assert first.result(20) == b"taken over"
    assert attempt(state, LATER) == b"taken over"


def test_an_attempt_that_fails_after_another_took_over_does_not_let_a_third_begin(state: State) -> None:
    late = NOON + TAKEN_OVER_AFTER

    def overtaken(at: datetime) -> bytes:
        def second(at: datetime) -> bytes:
            raise KeyboardInterrupt  # cut off: it neither answers nor fails

        with pytest.raises(KeyboardInterrupt):
            attempt(state, late, second)
        raise StateUnavailableError("The database does not answer.")

    with pytest.raises(StateUnavailableError):
        attempt(state, NOON, overtaken)

    with pytest.raises(StillWorkingError):
        attempt(state, late + timedelta(seconds=1))
