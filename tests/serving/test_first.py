"""What BentoML puts around each request stays away from ours."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from serving.edge import App, Receive, Scope, Send
from serving.first import ApplicationFirst


class Around:
    """Something of BentoML's that notes what passes through it."""

    def __init__(self, app: App, seen: list[str]) -> None:
        self._app, self._seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._seen.append(scope.get("path", scope["type"]))
        await self._app(scope, receive, send)


def test_the_application_is_asked_before_everything_that_bentoml_puts_around_requests() -> None:
    seen: list[str] = []
    page = Route("/static_content/page", lambda _: PlainTextResponse("BentoML's"))
    around = [Middleware(Around, seen=seen), Middleware(ApplicationFirst, first=PlainTextResponse("ours"))]

    with TestClient(Starlette(routes=[page], middleware=around)) as client:
        answers = [client.get(path).text for path in ("/v1/queue", "/readyz", "/static_content/page")]

    assert answers == ["ours", "ours", "BentoML's"]
    assert seen == ["lifespan", "/static_content/page"]
