"""The queue as it is now: the plan's order without the accounts that were decided again, and those at the places they have now.

An account that something was told about which the plan did not know, and that was not decided again since, stands in no queue: right after
a new plan, these are the accounts that paid, died or were contacted since its extract. It is decided again when its decision is asked for
or the next event is told, and has its place from then on.

A cursor points into the plan's order, which does not change during the day: whatever is dropped or moved between two pages, no other
account is skipped or shown twice.
"""

from __future__ import annotations

import base64
import binascii
from bisect import insort
from collections import defaultdict
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from scoring.errors import BadRequestError
from scoring.vocabulary import Channel
from serving.current_plan import ALL_CHANNELS, CurrentPlan
from serving.redecided import Redecided
from serving.today import Today

Row = dict[str, Any] | orjson.Fragment
"""Of a page: values, or the JSON text that one is held as."""


class Changes:
    """What one queue has gained since the plan: rows by the place in the plan's order before which they stand.

    Parameters
    ----------
    worths : array
        What the accounts of the queue are worth, in its order.
    """

    def __init__(self, worths: npt.NDArray[np.float64]) -> None:
        self._least = -np.minimum.accumulate(worths)  # falls along the queue, so that a place is found by halving
        self._entries: dict[str, tuple[int, tuple[float, str, Redecided]]] = {}
        self._came: dict[int, list[tuple[float, str, Redecided]]] = defaultdict(list)

    def put(self, account_id: str, worth: float, one: Redecided) -> None:
        """Let an account stand before the first one that is worth less."""
        self.take_out(account_id)
        place, entry = int(self._least.searchsorted(-worth, side="right")), (-worth, account_id, one)
        insort(self._came[place], entry, key=_order)
        self._entries[account_id] = place, entry

    def take_out(self, account_id: str) -> None:
        """Forget an account, if it is here."""
        place, entry = self._entries.pop(account_id, (-1, None))
        if entry is not None:
            self._came[place].remove(entry)

    def before(self, place: int) -> list[Redecided]:
        """Those that stand before a place of the plan's order."""
        return [one for _, _, one in self._came[place]] if place in self._came else []


def _held(one: Redecided) -> orjson.Fragment:
    assert one.row is not None  # others stand in no queue
    return orjson.Fragment(one.row)


def _order(entry: tuple[float, str, Redecided]) -> tuple[float, str]:
    return entry[0], entry[1]


class LiveQueues:
    """The queues of a plan with what happened since; safe to use from several threads.

    A page costs as much as it has rows, and an account that changed costs one search, however long the queue is.
    """

    def __init__(self, plan: CurrentPlan, today: Today | None) -> None:
        self._plan, self._today, self._taken = plan, today, 0
        self._lock = Lock()
        self._gone: set[int] = set()
        self._changes: dict[str, Changes] = {}

    def page(self, channel: Channel | None, limit: int, cursor: str | None) -> tuple[list[Row], str | None]:
        """Rows of a queue from where the cursor points, and the cursor of the next page (None after the last).

        Raises
        ------
        BadRequestError
            ``bad_request``: the cursor is none of ours, is of another queue, or of a plan that is no longer in force.
        """
        name, run_id = ALL_CHANNELS if channel is None else str(channel), self._plan.run_id
        place, shown = (0, 0) if cursor is None else _read(cursor, run_id, name)
        with self._lock:
            self._take_in()
            found, place, shown = self._found(name, place, shown, limit)
        rows = iter(self._plan.queue_rows([one for one in found if isinstance(one, int)]))
        following = None if place < 0 else _cursor(run_id, name, place, shown)
        return [next(rows) if isinstance(one, int) else _held(one) for one in found], following

    def _found(self, name: str, place: int, shown: int, limit: int) -> tuple[list[Redecided | int], int, int]:
        """Rows of the plan by number and those that came in, and where the next page begins (-1: nowhere)."""
        order, changes = self._plan.order[name], self._changes.get(name)
        found: list[Redecided | int] = []
        while place <= len(order):
            came = [] if changes is None else changes.before(place)[shown:]
            taken = came[: limit - len(found)]
            found += taken
            if len(taken) < len(came):
                return found, place, shown + len(taken)
            if place == len(order):
                break
            row = int(order[place])
            if row not in self._gone:
                if len(found) == limit:
                    return found, place, shown + len(taken)
                found.append(row)
            place, shown = place + 1, 0
        return found, -1, 0

    def _take_in(self) -> None:
        """Move and drop the accounts that changed since the last page."""
        if self._today is None:
            return
        fresh = self._today.changed_after(self._taken)
        self._taken += len(fresh)
        for account_id in dict.fromkeys(fresh):
            self._move(account_id, self._today.in_force(account_id))

    def _move(self, account_id: str, one: Redecided | None) -> None:
        row = self._plan.row_of.get(account_id)
        if row is not None:
            self._gone.add(row)
        for changes in self._changes.values():
            changes.take_out(account_id)
        if one is not None and one.channel is not None:
            self._of(ALL_CHANNELS).put(account_id, one.worth_cents, one)
            self._of(one.channel).put(account_id, float(one.loss_cents), one)

    def _of(self, name: str) -> Changes:
        if name not in self._changes:
            worths = self._plan.priorities if name == ALL_CHANNELS else self._plan.losses
            self._changes[name] = Changes(worths[self._plan.order[name]])
        return self._changes[name]


def _read(cursor: str, run_id: str, name: str) -> tuple[int, int]:
    try:
        run, queue, place, shown = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        place, shown = int(place), int(shown)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise BadRequestError(
            "This cursor is none of ours. Take next_cursor of the page before.", field="cursor"
        ) from error
    if run != run_id[:16]:
        raise BadRequestError(
            "This cursor belongs to a plan that is no longer in force. Start again from the first page.",
            field="cursor",
            got=str(run)[:16],
            expected=run_id[:16],
        )
    if queue != name or place < 0 or shown < 0:
        raise BadRequestError(
            "This cursor belongs to another queue. Keep `channel` as it was.",
            field="cursor",
            got=str(queue)[:20],
            expected=name,
        )
    return place, shown


def _cursor(run_id: str, name: str, place: int, shown: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([run_id[:16], name, place, shown])).decode()
