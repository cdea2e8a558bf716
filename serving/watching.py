"""A new champion, or a new plan, is loaded beside the old one and takes its place between two requests.

The pin and the plan's pointer are looked at every few seconds. What cannot be loaded changes nothing: the old one goes on answering, and a
log line says why. A service that was not ready tries again. Requests that are under way keep the desk they began with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Final

from scoring.scores.pins import CHALLENGER, CHAMPION
from serving.desk import Desk
from serving.log_lines import log
from serving.nightly import CURRENT
from serving.opening import open_desk
from serving.settings import Settings

EVERY_SECONDS: Final = 3.0
TURNS_BETWEEN_TRIMS: Final = 10
TURNS_BETWEEN_TRIES: Final = 5
"""How seldom a service that is not ready tries again while no pin and no plan changed: loading costs a second of a core."""
KEPT_SECONDS: Final = 150.0
"""How long the old portfolio stays open for requests that began with it; longer than any may take."""
Seen = tuple[tuple[int, int], ...]


def seen(home: Path) -> Seen:
    """What tells whether pins or plan were replaced: file number and time of each; zeros for one that is not there.

    >>> seen(Path("nowhere"))
    ((0, 0), (0, 0), (0, 0))
    """
    places = (home / "bundles" / CHAMPION, home / "bundles" / CHALLENGER, home / "plans" / CURRENT)
    return tuple(_stamp(place) for place in places)


def _stamp(place: Path) -> tuple[int, int]:
    try:
        found = place.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


class Watch:
    """Looks after the desk in a thread of its own.

    Parameters
    ----------
    settings : Settings
    desk : Desk
        The one in use.
    swap : callable
        Puts another desk in use.
    give_back : callable, optional
        Called twice a minute: returns freed memory to the system.
    """

    def __init__(
        self, settings: Settings, desk: Desk, swap: Callable[[Desk], None], give_back: Callable[[], None] | None = None
    ) -> None:
        self._settings, self._desk, self._swap, self._give_back = settings, desk, swap, give_back
        self._seen, self._stop = seen(settings.home), Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(timeout=30)

    def look(self) -> bool:
        """Look once; whether another desk was put in use."""
        now = seen(self._settings.home)
        if now == self._seen and self._desk.is_ready():
            return False
        fresh = open_desk(self._settings, keep=self._desk)
        if not fresh.is_ready():
            if now != self._seen:
                log("desk.kept", **fresh.state_facts())
            self._seen = now
            if self._desk.is_ready():
                return False
        old, self._desk, self._seen = self._desk, fresh, now
        self._swap(fresh)
        log("desk.swapped", **fresh.state_facts())
        closing = Thread(target=self._close_later, args=(old, fresh), daemon=True)
        closing.start()
        return True

    def probe(self) -> None:
        """Ask the models for a score, so that answers that need none say too whether they can; a change is logged."""
        was = self._desk.condition.failed_with
        self._desk.probe()
        now = self._desk.condition.failed_with
        if now != was:
            log("models.failed" if now else "models.recovered", code=now or was)

    def _close_later(self, old: Desk, fresh: Desk) -> None:
        self._stop.wait(KEPT_SECONDS)
        shared = {"ledger": None, "state": None}
        unshared = {name: getattr(old, name) for name in shared if getattr(old, name) is not getattr(fresh, name)}
        replace(old, **{**shared, **unshared}).close()

    def _run(self) -> None:
        for turn in count():
            if self._stop.wait(EVERY_SECONDS):
                return
            try:
                if turn % TURNS_BETWEEN_TRIES == 0 or self._desk.is_ready() or seen(self._settings.home) != self._seen:
                    self.look()
                self.probe()
                if self._give_back is not None and turn % TURNS_BETWEEN_TRIMS == 0:
                    self._give_back()
            except Exception as error:  # the outermost edge of this thread: it must go on looking
                log("desk.failed", error=type(error).__name__)
