"""A port of its own for metrics, in web processes and workers. It needs no key, so only operators may reach it.

`GET /metrics` answers with the page, and `GET /healthz` with 200 as long as the process runs, also while it loads its
engine. This is no server for the world: each connection carries one request, of at most HEAD_BYTES_MAX, within
REQUEST_TIMEOUT_S, and no more than CONNECTIONS_MAX are open at once.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from easel.web.metrics.page import MetricsPage

HEAD_BYTES_MAX: Final = 8192
REQUEST_TIMEOUT_S: Final = 20.0
CONNECTIONS_MAX: Final = 16
_TEXT: Final = "text/plain; charset=utf-8"


@asynccontextmanager
async def metrics_port(listening: socket.socket | None, page: MetricsPage) -> AsyncIterator[None]:
    """Answer on this socket during the block. With None, do nothing."""
    if listening is None:
        yield
        return
    server = await asyncio.start_server(_Port(page).answer, sock=listening, limit=HEAD_BYTES_MAX)
    try:
        yield
    finally:
        server.close()


class _Port:
    def __init__(self, page: MetricsPage) -> None:
        self._page = page
        self._open = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    writer.write(await self._answer_to(reader))
                    await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has left, or says nothing
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_to(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _message(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"The request is too large.\n", _TEXT)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, target = first.rpartition(" HTTP/1.")[0].partition(" ")
        if method not in {"GET", "HEAD"}:
            return _message(HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET is answered here.\n", _TEXT)
        match target.partition("?")[0]:
            case "/metrics":
                content, content_type = await self._page.read(_header(lines, "accept"))
                return _message(HTTPStatus.OK, content, content_type, has_body=method == "GET")
            case "/healthz":
                return _message(HTTPStatus.OK, b"ok\n", _TEXT, has_body=method == "GET")
        return _message(HTTPStatus.NOT_FOUND, b"The metrics are at /metrics.\n", _TEXT, has_body=method == "GET")


def _header(lines: list[str], name: str) -> str:
    for line in lines:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


def _message(status: HTTPStatus, content: bytes, content_type: str, *, has_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(content)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (content if has_body else b"")
