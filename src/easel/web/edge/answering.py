"""Hands a connection's requests to the application, and writes its answers.

An answer that comes in one piece and states its length, as almost all do, is written at once, head and body together.
It must not choose its own `Connection` header. All other answers are written by uvicorn.

Connections stay open between requests. One timer per connection looks whether it is idle, so that a request need not
start and stop its own.
"""

import asyncio
import urllib.parse
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle


class Exchange(RequestResponseCycle):
    """One request and its answer."""

    _start: Any = None

    async def send(self, message: Any) -> None:
        """Called by the application. The head waits for the body, as ASGI recommends."""
        if self._start is None:
            if message["type"] == "http.response.start" and not self.response_started:
                self._start = message
            else:
                await super().send(message)
            return
        start, self._start = self._start, None
        if message.get("more_body") or b"content-length" not in dict(start["headers"]):
            await super().send(start)
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._write(start["status"], start["headers"], message.get("body", b""))

    def _write(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [b"%b: %b\r\n" % header for header in (*self.default_headers, *headers)]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))
        if head.count(b"\n") != len(lines) + 2:
            raise RuntimeError("a header of the answer contains a line break")
        self.transport.writelines((head,) if self.scope["method"] == "HEAD" else (head, body))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class AnsweringProtocol(HttpToolsProtocol):
    """A connection whose requests the application answers."""

    cycle: Exchange
    answered_at_s = 0.0
    """When the latest answer was complete, or when the connection was opened."""

    def on_headers_complete(self) -> None:
        """Called by the parser. Hands the request to the application, which may begin before its body has arrived."""
        version = self.parser.get_http_version()
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        self.scope["http_version"] = version
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        self.scope["raw_path"] = target.path
        self.scope["query_string"] = target.query or b""
        self.cycle = Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def on_response_complete(self) -> None:
        """Called when an answer is complete."""
        self.answered_at_s = self.loop.time()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def close_when_idle(self, after_s: float) -> None:
        """Start the timer of an idle connection."""
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)
