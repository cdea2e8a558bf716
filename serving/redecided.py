"""What was decided for an account after an event: the answer, and the place in a queue that goes with it.

Workers share it through the state (`serving.state`); `serving.today` says which one is in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Redecided:
    """What was decided for an account after an event.

    Attributes
    ----------
    decision : dict
        As the answer to ``POST /v1/decisions``.
    queue_row : dict or None
        Its place in a queue; None where it leaves the queues for the day.
    loss_cents : int
        Where in its channel's queue it belongs.
    event_seq : int
        The event after which it was made.
    """

    decision: dict[str, Any]
    queue_row: dict[str, Any] | None
    loss_cents: int
    event_seq: int = 0

    def body(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "decision": self.decision,
            "queue_row": self.queue_row,
            "loss_cents": self.loss_cents,
            "event_seq": self.event_seq,
        }
