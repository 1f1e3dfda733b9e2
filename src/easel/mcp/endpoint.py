"""`/mcp`: the protocol over HTTP. Its library and the client are loaded when the first request arrives."""

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from easel.web.routing import Route

PATH: Final = "/mcp"
_SERVER: Final = "easel.mcp.http_server"


def is_possible() -> bool:
    """Whether the library is installed."""
    return find_spec("mcp") is not None


class McpEndpoint:
    """The endpoint of one web process."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._loading: asyncio.Task[Any] | None = None

    def route(self) -> Route:
        """The route of the endpoint.

        There is no GET: it would open a stream on which a server without sessions never says anything.
        """
        return Route(PATH, POST=self.answer, DELETE=self.answer)

    def serve(self, app: ASGIApp) -> None:
        """Name the application that the tools work with. Call this before the first request."""
        self._app = app

    async def answer(self, request: Request) -> Response:
        """The answer to a request; to one without a valid key, the refusal that every endpoint gives."""
        if self._loading is None or _has_failed(self._loading):
            self._loading = asyncio.create_task(self._loaded())
        server = await asyncio.shield(self._loading)
        response: Response = await server.answer(request)
        return response

    async def _loaded(self) -> Any:
        assert self._app is not None
        # Loading takes half a second, in which other requests are answered.
        module = await asyncio.to_thread(import_module, _SERVER)
        return await module.started(self._app)


def _has_failed(loading: asyncio.Task[Any]) -> bool:
    """Whether loading ended without a server, so that the next request has to try again."""
    return loading.done() and (loading.cancelled() or loading.exception() is not None)
