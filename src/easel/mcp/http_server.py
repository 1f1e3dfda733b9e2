"""Serves the protocol over HTTP, with the bearer key of each request.

Requests share nothing, so each may go to another web process.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.client.async_client import AsyncClient
from easel.mcp.inner_transport import InnerTransport
from easel.mcp.tools import mcp_server
from easel.web.requests import whole_body

_INNER_URL: Final = "http://easel.internal"
"""The application takes the host from the outer request."""
_CHECK: Final = "/v1/models"
"""What is read to check a key, because any key may."""


async def started(app: ASGIApp) -> "McpHttpServer":
    """A server whose tools work with this application. It runs until the event loop ends."""
    server = McpHttpServer(app)
    await server.start()
    return server


class McpHttpServer:
    """The server of one web process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        server = mcp_server(self._client)._lowlevel_server
        self._manager = StreamableHTTPSessionManager(server, stateless=True)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve."""
        is_running = asyncio.Event()
        self._running = asyncio.create_task(self._run(is_running))
        await is_running.wait()

    async def answer(self, request: Request) -> Response:
        """The answer to a request; to one without a valid key, the refusal that every endpoint gives.

        Raises PayloadTooLarge.
        """
        headers = {"authorization": request.headers.get("authorization", "")}
        async with httpx2.AsyncClient(transport=InnerTransport(self._app, request.scope), trust_env=False) as http:
            checked = await http.get(f"{_INNER_URL}{_CHECK}", headers=headers)
        if checked.status_code == 200:
            # The library would report a client that leaves before its request is complete as an error.
            return _Delegated(self._manager, bytes(await whole_body(request)))
        kept = {name: checked.headers[name] for name in ("retry-after", "www-authenticate") if name in checked.headers}
        return Response(checked.content, checked.status_code, kept, "application/json")

    async def _run(self, is_running: asyncio.Event) -> None:
        async with self._manager.run():
            is_running.set()
            await asyncio.Event().wait()

    @asynccontextmanager
    async def _client(self, context: Any) -> AsyncIterator[AsyncClient]:
        """A client with the key of the outer request."""
        request = context.request_context.request
        key = request.headers["authorization"].partition(" ")[2]
        async with AsyncClient(_INNER_URL, key, transport=InnerTransport(self._app, request.scope)) as client:
            yield client


class _Delegated(Response):
    """What the library answers to a request with this body."""

    def __init__(self, manager: StreamableHTTPSessionManager, body: bytes) -> None:
        self._manager = manager
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the application, once."""

        async def received() -> Message:
            message, self._message = self._message, None
            return await receive() if message is None else message

        await self._manager.handle_request(scope, received, send)
