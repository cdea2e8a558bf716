"""The BentoML service: loads the promoted bundle and the current plan, and hands every request to the application.

BentoML gives the process, the workers, the bento and its container. Its own endpoints, metrics and tracing are left
out: they cost more than the answers (docs on speed), its metrics keep one time series for every path that was ever
asked, and its ``/readyz`` knows nothing of bundles.
"""

from __future__ import annotations

import gc
import os
from typing import Any, Final, cast

import bentoml

import serving.source_path  # noqa: F401 - the imports below need it in a bento
from scoring.errors import ScoringError
from serving.app import equip, make_app, put_in_use
from serving.desk import Desk
from serving.edge import App, Receive, Scope, Send, log, write_log_lines
from serving.opening import open_desk
from serving.serve import LOCAL_HOSTS, any_keys, refuse_open_host
from serving.settings import read_settings
from serving.watching import Watch

LONGEST_SECONDS: Final = 120
"""BentoML cuts a request off after this long; the longest lawful one, 10,000 histories, takes well under half of it."""
APPLICATION: Final = make_app()


class ApplicationFirst:
    """Gives the application every path but a few: BentoML would answer probes itself, before any mounted app."""

    KEPT: Final = ("/static_content/", "/schema.json")

    def __init__(self, app: App, first: App) -> None:
        self._app, self._first = app, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        ours = scope["type"] == "http" and not scope["path"].startswith(self.KEPT)
        await (self._first if ours else self._app)(scope, receive, send)


@bentoml.service(  # type: ignore[untyped-decorator, unused-ignore]
    name="collections_scoring",
    workers=int(os.environ.get("SCORING_WORKERS", "1")),
    traffic={"timeout": LONGEST_SECONDS},
    http={"host": "127.0.0.1", "port": 3000},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(APPLICATION, path="/")
class CollectionsService:
    """Scores, decisions, queues and records of overdue card accounts."""

    def __init__(self) -> None:
        write_log_lines()
        self.desk = _open()
        gc.collect()
        gc.freeze()  # full collections over models and frames would be the slowest requests
        log("service.started", **self.desk.state_facts())
        self.watch = _watch(self.desk)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator, unused-ignore]
    def close(self) -> None:
        """Close ledger and portfolio, so that the ledger's log is folded into its file."""
        if self.watch is not None:
            self.watch.stop()
        APPLICATION.state.desk.close()


def _watch(desk: Desk) -> Watch | None:
    """Looks for new bundles and plans; not where the settings cannot be followed."""
    try:
        settings = read_settings()
    except ScoringError:
        return None
    watch = Watch(settings, desk, swap)
    watch.start()
    return watch


def swap(desk: Desk) -> None:
    """Put another desk in use; what is loaded now stays for good, so that collections need not look at it."""
    put_in_use(APPLICATION, desk)
    gc.collect()
    gc.freeze()


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


cast(Any, CollectionsService).add_asgi_middleware(ApplicationFirst, first=APPLICATION)
