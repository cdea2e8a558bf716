"""What the application answers from and with. `serving.app.equip` fills it, and a new desk takes the old one's place while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from serving.admission import Admission
from serving.asking import Threads
from serving.desk import Desk
from serving.meters import Meters
from serving.shadow import Shadow


@dataclass(slots=True)
class Equipment:
    """In the place of Starlette's state, whose attributes are looked up by a function of their own, several times a request.

    ``desk`` is None as long as nothing was loaded.
    """

    meters: Meters
    admission: Admission
    shadow: Shadow
    threads: Threads
    clock: Callable[[], datetime]
    most_body_bytes: int
    desk: Desk | None = None
