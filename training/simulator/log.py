"""What happened, as it happens: arrays per table, kept until the event tables are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.simulator.parameters import IntArray


@dataclass
class Log:
    """Collects events of one chunk; a rollout uses one that keeps nothing.

    Examples
    --------
    >>> log = Log()
    >>> log.add("payments", 3, np.array([7, 9]), amount_cents=np.array([100, 200]), kind="voluntary")
    >>> {name: values.tolist() for name, values in log.columns("payments").items()}
    {'row': [7, 9], 'day': [3, 3], 'amount_cents': [100, 200], 'kind': ['voluntary', 'voluntary']}
    """

    is_kept: bool = True
    _parts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, day: int, rows: IntArray, **columns: Any) -> None:
        """Add one event for each row; a single value stands for all rows."""
        if self.is_kept and len(rows):
            self._parts.setdefault(table, []).append({"row": rows, "day": day} | columns)

    def columns(self, table: str) -> dict[str, np.ndarray]:
        """The events of a table, in the order in which they were added; empty when there were none."""
        parts = self._parts.get(table, [])
        if not parts:
            return {}
        return {name: np.concatenate([np.broadcast_to(p[name], len(p["row"])) for p in parts]) for name in parts[0]}
