"""The BentoML service: loads the promoted bundle and the current plan, and hands every request to the application.

BentoML gives the process, the workers, the bento and its container. Its own endpoints, metrics and tracing are left
out: they cost more than the answers (docs on speed), its metrics keep one time series for every path that was ever
asked, and its ``/readyz`` knows nothing of bundles.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import bentoml

import serving.source_path  # noqa: F401 - the imports below need it in a bento
from serving.first import ApplicationFirst

if TYPE_CHECKING:
    from fastapi import FastAPI

    from serving.edge import App, Receive, Scope, Send


class LoadedByTheWorker:
    """The application, imported when a worker begins: the supervisor imports this module too, and answers nothing."""

    @cached_property
    def application(self) -> FastAPI:
        """The application itself."""
        from serving.worker import APPLICATION

        return APPLICATION

    @cached_property
    def edge(self) -> App:
        """Its outermost layer."""
        return cast("App", self.application.middleware_stack)

    @property
    def state(self) -> Any:
        """Its state."""
        return self.application.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, as the application itself would: its root path and its telemetry are not used."""
        scope["app"] = self.application
        await self.edge(scope, receive, send)


APPLICATION: Final = LoadedByTheWorker()


@bentoml.service(  # type: ignore[untyped-decorator, unused-ignore]
    name="collections_scoring",
    workers=int(os.environ.get("SCORING_WORKERS", "1")),
    http={"host": "127.0.0.1", "port": 3000},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
    logging={"access": {"enabled": False}},
)
class CollectionsService:
    """Scores, decisions, queues and records of overdue card accounts."""

    def __init__(self) -> None:
        from serving.worker import Worker

        self.worker = Worker()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator, unused-ignore]
    def close(self) -> None:
        """Close what the worker holds open."""
        self.worker.close()


cast(Any, CollectionsService).add_asgi_middleware(ApplicationFirst, first=APPLICATION)
