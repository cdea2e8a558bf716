"""The queue as it is now: the plan's order without the accounts that were decided again, and those at the places they have now.

A cursor points into the plan's order, which does not change during the day: whatever is dropped or moved between two pages, no other
account is skipped or shown twice.
"""

from __future__ import annotations

import base64
import binascii
from bisect import insort
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from scoring.errors import BadRequestError
from scoring.vocabulary import Channel
from serving.current_plan import ALL_CHANNELS, QUEUE_FIELDS, CurrentPlan
from serving.today import Today

Row = dict[str, Any]


@dataclass(frozen=True)
class Changes:
    """What a queue has lost and gained since the plan.

    Attributes
    ----------
    gone : frozenset of int
        Rows of the plan.
    came : mapping of int to list of rows
        By the place in the plan's order before which they stand.
    """

    gone: frozenset[int]
    came: dict[int, list[Row]]


def changes(plan: CurrentPlan, today: Today | None, name: str) -> Changes:
    """What was dropped and moved in one queue."""
    again = {} if today is None else today.redecided()
    gone = frozenset(plan.row_of[account_id] for account_id in again if account_id in plan.row_of)
    came: dict[int, list[tuple[float, str, Row]]] = defaultdict(list)
    for account_id, one in list(again.items()):
        row = one.queue_row
        if row is None or name not in (ALL_CHANNELS, row["channel"]):
            continue
        worth = float(row["priority_value_cents"] if name == ALL_CHANNELS else one.loss_cents)
        insort(came[_place(plan, name, worth)], (-worth, account_id, row))
    return Changes(gone, {place: [row for _, _, row in rows] for place, rows in came.items()})


def _place(plan: CurrentPlan, name: str, worth: float) -> int:
    """The first place in the plan's order whose account is worth less."""
    column = plan.priorities if name == ALL_CHANNELS else plan.losses
    less = np.flatnonzero(column[plan.order[name]] < worth)
    return int(less[0]) if len(less) else len(plan.order[name])


def page(
    plan: CurrentPlan, today: Today | None, channel: Channel | None, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """Rows of a queue from where the cursor points, and the cursor of the next page (None after the last).

    Raises
    ------
    BadRequestError
        ``bad_request``: the cursor is none of ours, is of another queue, or of a plan that is no longer in force.
    """
    name = ALL_CHANNELS if channel is None else str(channel)
    place, shown = (0, 0) if cursor is None else _read(cursor, plan.run_id, name)
    order, changed = plan.order[name], changes(plan, today, name)
    found: list[Row | int] = []
    while place <= len(order):
        came = changed.came.get(place, ())[shown:]
        taken = came[: limit - len(found)]
        found += taken
        if len(taken) < len(came):
            return _rows(plan, found), _cursor(plan.run_id, name, place, shown + len(taken))
        if place == len(order):
            break
        row = int(order[place])
        if row not in changed.gone:
            if len(found) == limit:
                return _rows(plan, found), _cursor(plan.run_id, name, place, shown + len(taken))
            found.append(row)
        place, shown = place + 1, 0
    return _rows(plan, found), None


def _rows(plan: CurrentPlan, found: list[Row | int]) -> list[Row]:
    """Rows of the plan and rows that moved in, in their order."""
    numbers = [row for row in found if isinstance(row, int)]
    planned = plan.decisions[list(QUEUE_FIELDS)].take(numbers)
    columns = [planned[name].tolist() for name in QUEUE_FIELDS]
    of_plan = iter([dict(zip(QUEUE_FIELDS, row, strict=True)) for row in zip(*columns, strict=True)])
    return [next(of_plan) if isinstance(row, int) else row for row in found]


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
