"""Carries the client's requests to the web application of the same process, without a connection.

An inner request comes, for the application, from the same address and for the same host as the outer one, so that
limits and links are those of the agent.

A request that is given up is not stopped in the middle of its statements, which would cost a connection to the
database. As when a client leaves, the application is told, and ends it in its own way. What it still answers is
dropped.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
from starlette.types import ASGIApp, Message, Scope

_PIECES_MAX: Final = 16
"""Pieces of an answer that may wait, before the application is paused."""
_OF_THE_OUTER: Final = (b"host", b"x-request-id")
_ending: Final[set[asyncio.Task[None]]] = set()
"""Requests that were given up. The event loop alone would not keep them."""


class InnerTransport(httpx2.AsyncBaseTransport):
    """Requests of one outer request, whose scope is `outer`."""

    def __init__(self, app: ASGIApp, outer: Scope) -> None:
        self._app = app
        self._outer = outer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The application's answer, whose body arrives as it is sent. Called by the client."""
        exchange = _Exchange(await request.aread())
        exchange.running = asyncio.create_task(exchange.run(self._app, self._scope(request)))
        try:
            start = await exchange.next_message()
        except BaseException:
            await exchange.aclose()
            raise
        return httpx2.Response(start["status"], headers=start["headers"], stream=exchange)

    def _scope(self, request: httpx2.Request) -> Scope:
        inner = [(name.lower(), value) for name, value in request.headers.raw if name.lower() not in _OF_THE_OUTER]
        kept = [(name, value) for name, value in self._outer["headers"] if name in _OF_THE_OUTER]
        return {
            **{name: value for name, value in self._outer.items() if name not in {"path_params", "state"}},
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "headers": [*kept, *inner],
            "state": {},
        }


class _Exchange(httpx2.AsyncByteStream):
    """One inner request and its answer."""

    running: asyncio.Task[None]

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._messages: asyncio.Queue[Message] = asyncio.Queue(_PIECES_MAX)
        self._left = asyncio.Event()

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer."""
        await app(scope, self._receive, self._send)

    async def next_message(self) -> Message:
        """The next part of the answer. Raises ReadError if the application ends without one."""
        waiting = asyncio.ensure_future(self._messages.get())
        try:
            await asyncio.wait({waiting, self.running}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            if not self._messages.empty():
                return await waiting
            raise httpx2.ReadError("The application ended without an answer")
        finally:
            waiting.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        is_complete = False
        while not is_complete:
            message: Any = await self.next_message()
            is_complete = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def aclose(self) -> None:
        """Tell the application that nobody reads any more."""
        self._left.set()
        while not self._messages.empty():
            self._messages.get_nowait()
        if not self.running.done():
            _ending.add(self.running)
            self.running.add_done_callback(_ending.discard)

    async def _send(self, message: Message) -> None:
        if not self._left.is_set():
            await self._messages.put(message)

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}
