"""Puts the application before BentoML's own endpoints and before everything that BentoML does around a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from serving.edge import App, Receive, Scope, Send


class ApplicationFirst:
    """Gives the application every path but the files of the documentation page: BentoML would answer probes itself.

    When the worker starts it steps before everything that BentoML has put around each request: its tracing, and its timeout, which keeps
    a timer of every request for as long as one may last. `serving.edge` ends requests.
    """

    KEPT: Final = ("/static_content/",)

    def __init__(self, app: App, first: App) -> None:
        self._app, self._first = app, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "lifespan":
            self._step_before(scope["app"])
        ours = scope["type"] == "http" and not scope["path"].startswith(self.KEPT)
        await (self._first if ours else self._app)(scope, receive, send)

    def _step_before(self, bento: Starlette) -> None:
        if bento.middleware_stack is not None and not isinstance(bento.middleware_stack, ApplicationFirst):
            bento.middleware_stack = ApplicationFirst(bento.middleware_stack, self._first)
