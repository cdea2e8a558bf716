"""What a worker serves: the application, the desk it answers from, and the watch over new bundles and plans.

Apart from `serving.service`, because BentoML's supervisor imports that module too and answers nothing.
"""

from __future__ import annotations

import gc
from typing import Final

import serving.lean
from scoring.errors import ScoringError
from serving.app import equip, make_app, put_in_use
from serving.desk import Desk
from serving.log_lines import log, write_log_lines
from serving.opening import open_desk
from serving.serve import LOCAL_HOSTS, any_keys, refuse_open_host
from serving.settings import read_settings
from serving.watching import Watch

APPLICATION: Final = make_app()


class Worker:
    """An open desk behind the application, until it is closed."""

    def __init__(self) -> None:
        write_log_lines()
        self.desk = _open()
        settle()
        serving.lean.leave_code_unread()
        log("service.started", **self.desk.state_facts())
        self._watch = _watch(self.desk)

    def close(self) -> None:
        """Close ledger and portfolio, so that the ledger's log is folded into its file."""
        if self._watch is not None:
            self._watch.stop()
        APPLICATION.state.shadow.stop()
        APPLICATION.state.desk.close()


def settle() -> None:
    """What is loaded now stays for good: full collections over models and frames would be the slowest requests."""
    gc.collect()
    gc.freeze()
    serving.lean.give_back()


def _watch(desk: Desk) -> Watch | None:
    """Looks for new bundles and plans; not where the settings cannot be followed."""
    try:
        settings = read_settings()
    except ScoringError:
        return None
    watch = Watch(settings, desk, swap, serving.lean.give_back)
    watch.start()
    return watch


def swap(desk: Desk) -> None:
    """Put another desk in use."""
    put_in_use(APPLICATION, desk)
    settle()


def _open() -> Desk:
    """The desk as the environment asks for it; settings that cannot be followed leave it empty, with the reason."""
    try:
        settings = read_settings()
        if settings.host not in LOCAL_HOSTS:
            refuse_open_host(settings.host, has_keys=any_keys(settings))
    except ScoringError as error:
        desk = Desk(error, error, error)
        equip(APPLICATION, desk)
    else:
        desk = open_desk(settings)
        equip(APPLICATION, desk, threads=settings.threads, most_body_bytes=settings.limits.body_bytes)
    return desk
