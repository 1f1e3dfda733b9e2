"""Refuses requests before they reach the application, in the contract's words, and closes their connections cleanly."""

import asyncio
import enum
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import httptools
import structlog

from easel.domain.errors import InvalidRequest, Refusal
from easel.live import measured
from easel.web.answers import SECURITY_HEADERS, refusal_answer, request_id
from easel.web.edge import limits
from easel.web.edge.answering import AnsweringProtocol

log = structlog.get_logger(__name__)

MALFORMED: Final = "The request is not well-formed HTTP/1.1"
VERSION: Final = "The request must be HTTP/1.1 or HTTP/1.0"
HOST: Final = "The request must have exactly one Host header"
LENGTH: Final = (
    "The length of the body must be given once, by one Content-Length or, in HTTP/1.1, by Transfer-Encoding: chunked"
)


class Phase(enum.Enum):
    """The part of a request to which the next byte belongs."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class RefusingProtocol(AnsweringProtocol):
    """A connection that can refuse a request. The attributes are its state; a subclass keeps them current."""

    phase = Phase.BETWEEN
    is_answering = False
    """Whether the application is still answering a request."""
    began_s = 0.0
    """When the current request began, or the connection before its first request."""
    refusal: Refusal | None = None
    """Why no more requests are read."""
    discarded_bytes = 0
    timer: asyncio.TimerHandle | None = None

    def turn_away(self, refusal: Refusal) -> None:
        """Refuse the connection before it has sent anything."""
        self.refusal = refusal
        self.answer_refusal(refusal)
        self.transport.close()

    def refuse(self, refusal: Refusal) -> None:
        """Read no more requests, and answer this one after the request before it."""
        self.stop_timer()
        self.refusal = refusal
        if self.phase is Phase.BODY and not self._withdraw(refusal):
            self.transport.close()
        elif not self.is_answering:
            self.answer_refusal(refusal)

    def _withdraw(self, refusal: Refusal) -> bool:
        """Take back a request whose body is still arriving. Returns False if the application has begun to answer it."""
        if self.cycle.response_started:
            return False
        self.scope["state"]["refused_with"] = refusal.status
        self.cycle.disconnected = True
        self.cycle.waiting_for_100_continue = False
        self.cycle.message_event.set()
        self.is_answering = False
        return True

    def answer_refusal(self, refusal: Refusal) -> None:
        """Send the answer, and close the connection once the client has had time to read it."""
        if self.transport.is_closing():
            return
        is_routed = self.phase is Phase.BODY
        path = self.scope["path"] if is_routed else ""
        named = self._request_id()
        method = "?" if self.phase is Phase.BETWEEN or not self.url else self.parser.get_method().decode("ascii")
        default_headers = self.server_state.default_headers
        self.transport.write(_answer(refusal, path, named, default_headers, has_body=method != "HEAD"))
        # Closing with unread data would reset the connection before the client reads the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.timer = self.loop.call_later(limits.LINGER_S, self.transport.abort)
        self.discard(0)
        if not is_routed or "refused_with" not in self.scope["state"]:  # otherwise the application logs it
            elapsed_s = self.loop.time() - self.began_s
            measured.request(method, None, refusal.status, elapsed_s)
            log.info("request", method=method, status=refusal.status, ms=round(elapsed_s * 1000, 1), request_id=named)

    def _request_id(self) -> str:
        if self.phase is Phase.BODY:
            return str(self.scope["state"]["request_id"])
        return request_id(self.headers if self.phase is Phase.HEAD else [])

    def discard(self, count_bytes: int) -> None:
        """Discard unwanted data, up to a limit. Beyond it, close the connection once its answer is written."""
        self.discarded_bytes += count_bytes
        if self.discarded_bytes <= limits.DISCARDED_BYTES_MAX or self.transport.is_closing():
            return
        if self.is_answering:
            self.flow.pause_reading()
        else:
            self.transport.close()

    def stop_timer(self) -> None:
        """Stop the timer of a head, of a body, or of the closing connection."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def refusal_of(error: httptools.HttpParserError) -> Refusal:
    """The refusal for a parser error: the one that a callback raised, or malformed HTTP."""
    if isinstance(error.__context__, Refusal):
        return error.__context__
    reason = str(error)
    is_about_length = "Content-Length" in reason or "Transfer-Encoding" in reason
    return InvalidRequest(LENGTH if is_about_length else MALFORMED)


def _answer(
    refusal: Refusal, path: str, named: str, default_headers: Iterable[tuple[bytes, bytes]], *, has_body: bool
) -> bytes:
    """A complete HTTP answer, which announces that the connection closes."""
    response = refusal_answer(refusal, path)
    headers = [
        *default_headers,
        *response.raw_headers,
        (b"x-request-id", named.encode()),
        *SECURITY_HEADERS,
        (b"connection", b"close"),
    ]
    line = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n".encode("ascii")
    head = line + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"
    return head + (bytes(response.body) if has_body else b"")
