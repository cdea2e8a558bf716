"""What was decided for an account after an event: the answer, and the place in a queue that goes with it.

Workers share it through the state (`serving.state`); `serving.today` says which one is in force. Every worker holds those of the whole
day, so answer and row are held as JSON text, which takes a third of the memory of the objects. (Not as the bytes that orjson gives: those
keep the whole buffer they were written in.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Redecided:
    """What was decided for an account after an event.

    Attributes
    ----------
    answer : str
        As to ``POST /v1/decisions``, as JSON.
    row : str or None
        Of its place in a queue, as JSON; None where it leaves the queues for the day.
    channel : str or None
        In whose queue it stands.
    worth_cents : float
        Where in the queue of all channels it belongs.
    loss_cents : int
        Where in its channel's queue it belongs.
    event_seq : int
        The event after which it was made.

    Examples
    --------
    >>> one = Redecided.of({"channel": "none"}, None, 0, event_seq=7)
    >>> one.decision, one.queue_row, one.channel
    ({'channel': 'none'}, None, None)
    """

    answer: str
    row: str | None
    channel: str | None
    worth_cents: float
    loss_cents: int
    event_seq: int

    @classmethod
    def of(
        cls, decision: dict[str, Any], queue_row: dict[str, Any] | None, loss_cents: int, event_seq: int = 0
    ) -> Self:
        """From the answer and the row of the queue, as `body` gives them."""
        answer = orjson.dumps(decision).decode()
        if queue_row is None:
            return cls(answer, None, None, 0.0, loss_cents, event_seq)
        worth = float(queue_row["priority_value_cents"])
        return cls(answer, orjson.dumps(queue_row).decode(), queue_row["channel"], worth, loss_cents, event_seq)

    @property
    def decision(self) -> dict[str, Any]:
        """The answer to ``POST /v1/decisions``."""
        return dict(orjson.loads(self.answer))

    @property
    def queue_row(self) -> dict[str, Any] | None:
        """Its row in a page of a queue; None where it leaves the queues for the day."""
        return None if self.row is None else orjson.loads(self.row)

    def body(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "decision": self.decision,
            "queue_row": self.queue_row,
            "loss_cents": self.loss_cents,
            "event_seq": self.event_seq,
        }
