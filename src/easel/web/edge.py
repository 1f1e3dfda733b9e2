"""The edge below the application: what is read of a connection before a request reaches it, and for how long.

A request's line and headers are limited in size and number and, like its body, in time; what is no HTTP, or could be
read in two ways, is refused in the contract's words. After such an answer the connection is closed. A request that is
refused before its headers are whole has no route and, unless its id came first, an id that it did not choose.

It is uvicorn's protocol on httptools with a watch on it, and leans on these of its names, besides the callbacks of the
parser: `connections`, `cycle` (`disconnected`, `message_event`, `response_started`, `waiting_for_100_continue`),
`flow.read_paused`, `headers`, `loop`, `parser`, `pipeline` (newest first), `on_response_complete`, `scope`,
`server_state.default_headers`, `timeout_keep_alive`, `timeout_keep_alive_handler`, `timeout_keep_alive_task`,
`transport` and `url`.

It does not promise: any limit on how slowly an answer is read; a limit on a body's size, which is the endpoint's; an
exact limit for a request that begins in the same packet as another one's end (its head may be twice as large); that
what a client sends after a refusal is read to its end before the connection goes.
"""

import asyncio
import enum
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from easel.domain.errors import HeadersTooLarge, InvalidRequest, Refusal, RequestTimeout, ServiceUnavailable
from easel.web.answers import SECURITY_HEADERS, refusal_answer, request_id

log = structlog.get_logger(__name__)

HEAD_BYTES_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 100
HEAD_TIMEOUT_S: Final = 5
BODY_TIMEOUT_S: Final = 10
CONNECTIONS_MAX: Final = 4096
IPV4_MAPPED: Final = "::ffff:"
LINGER_S: Final = 2
"""How long a refused client may go on sending, unread, so that it finds the answer rather than a reset connection."""

MALFORMED: Final = "The request is not well-formed HTTP/1.1"
_VERSION: Final = "The request must be HTTP/1.1 or HTTP/1.0"
_HOST: Final = "The request must have one Host header, which names the host that you asked"
_LENGTH: Final = (
    "The length of the body must be given once, by one Content-Length or, in HTTP/1.1, by Transfer-Encoding: chunked"
)


class _Phase(enum.Enum):
    """Which part of a request the next byte belongs to."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


_TIMEOUTS_S: Final = {_Phase.HEAD: HEAD_TIMEOUT_S, _Phase.BODY: BODY_TIMEOUT_S}


class EdgeProtocol(HttpToolsProtocol):
    """One connection. uvicorn makes it, and the event loop calls it."""

    # The state of a fresh connection; the values are immutable, so every instance begins with them.
    _phase = _Phase.BETWEEN
    _requests = 0
    _requests_unanswered = 0
    _held_bytes = 0
    """What was fed to the parser and may still be in its memory: of a head, of trailers, of blank lines."""
    _began_s = 0.0
    _refusal: Refusal | None = None
    _watched = (_Phase.BETWEEN, 0)
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called by the event loop. Beyond the limit a connection is answered and closed at once."""
        super().connection_made(transport)
        self.client = _plain(self.client)
        self._began_s = self.loop.time()
        if len(self.connections) > CONNECTIONS_MAX:
            self._refusal = ServiceUnavailable()
            self._answer(self._refusal)
            transport.close()
        else:
            self._close_when_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop. What follows a refusal is thrown away."""
        while data and self._refusal is None:
            data = self._feed(data)
        if self._refusal is None:
            self._watch()

    def _feed(self, data: bytes) -> bytes:
        """Parse no more than may be held; what is left to parse."""
        part = data[: HEAD_BYTES_MAX - self._held_bytes]
        rest = data[len(part) :]
        self._held_bytes += len(part)  # callbacks set it back when the parser gives out what it held
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing is upgraded here: what follows is the next request.
            return part[upgrade.args[0] :] + rest
        except httptools.HttpParserError as error:
            self._refuse(_refusal_of(error))
            return b""
        if self._held_bytes >= HEAD_BYTES_MAX:
            self._refuse(HeadersTooLarge(HEAD_BYTES_MAX, HEADERS_MAX))
        return rest

    def on_message_begin(self) -> None:
        """Called by the parser at a request's first byte."""
        super().on_message_begin()
        self._phase = _Phase.HEAD
        self._requests += 1
        self._began_s = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser. Trailers come here as well; they are no headers, and nothing here asks for them."""
        if self._phase is _Phase.BODY:
            return
        super().on_header(name, value)
        if len(self.headers) > HEADERS_MAX:
            raise HeadersTooLarge(HEAD_BYTES_MAX, HEADERS_MAX)

    def on_headers_complete(self) -> None:
        """Called by the parser. Names the request, and hands it to the application."""
        fault = _fault(self.parser.get_http_version(), self.headers)
        if fault is not None:
            raise InvalidRequest(fault)
        self.scope["state"]["request_id"] = request_id(self.headers)
        super().on_headers_complete()
        self._phase = _Phase.BODY
        self._requests_unanswered += 1
        self._held_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        super().on_body(body)
        self._held_bytes = 0

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._phase = _Phase.BETWEEN
        self._held_bytes = 0

    def on_response_complete(self) -> None:
        """Called by uvicorn. A refusal waits here until the requests before it are answered."""
        self._requests_unanswered -= 1
        super().on_response_complete()
        if self._refusal is not None and self._requests_unanswered == 0:
            self._answer(self._refusal)

    def timeout_keep_alive_handler(self) -> None:
        """Called by uvicorn's timer, which runs from connection to first answer too, and on from answer to answer."""
        if self._phase is _Phase.BETWEEN and self._requests_unanswered == 0:
            super().timeout_keep_alive_handler()
        else:
            self._close_when_idle()

    def _close_when_idle(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _watch(self) -> None:
        """Have a timer run while a head or a body is on its way, one for each."""
        watched = (self._phase, self._requests)
        if watched == self._watched:
            return
        self._watched = watched
        self._stop_timer()
        timeout_s = _TIMEOUTS_S.get(self._phase)
        if timeout_s is not None:
            self._timer = self.loop.call_later(timeout_s, self._time_out, timeout_s)

    def _time_out(self, timeout_s: int) -> None:
        if self.flow.read_paused:  # it is we who do not read: the client may have sent it long ago
            self._timer = self.loop.call_later(timeout_s, self._time_out, timeout_s)
        else:
            self._refuse(RequestTimeout())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, refusal: Refusal) -> None:
        """Read no more requests, and answer this one when those before it are answered."""
        self._stop_timer()
        self._refusal = refusal
        if self._phase is _Phase.BODY and not self._is_withdrawn(refusal):
            self.transport.close()
        elif self._requests_unanswered == 0:
            self._answer(refusal)

    def _is_withdrawn(self, refusal: Refusal) -> bool:
        """Take the request whose body is on its way back from the application; False when its answer has begun."""
        if self.pipeline:  # it waits for the one before, and the application has not seen it
            self.pipeline.popleft()
        elif self.cycle.response_started:
            return False
        else:
            self.scope["state"]["refused_with"] = refusal.status
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
            self.cycle.message_event.set()
        self._requests_unanswered -= 1
        return True

    def _answer(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        path = self.scope["path"] if self._phase is _Phase.BODY else ""
        answer = refusal_answer(refusal, path)
        named = self._request_id()
        headers = [
            *self.server_state.default_headers,
            *answer.raw_headers,
            (b"x-request-id", named.encode()),
            *SECURITY_HEADERS,
            (b"connection", b"close"),
        ]
        method = self._method()
        body = b"" if method == "HEAD" else bytes(answer.body)
        self.transport.write(_head(refusal.status, headers) + body)
        self._linger()
        if self._phase is not _Phase.BODY or "refused_with" not in self.scope["state"]:  # else the application says so
            elapsed_ms = round((self.loop.time() - self._began_s) * 1000, 1)
            log.info("request", method=method, status=refusal.status, ms=elapsed_ms, request_id=named)

    def _request_id(self) -> str:
        if self._phase is _Phase.BODY:
            return str(self.scope["state"]["request_id"])
        return request_id(self.headers if self._phase is _Phase.HEAD else [])

    def _method(self) -> str:
        """The method of the refused request, where it has come to that."""
        if self._phase is _Phase.BETWEEN or not self.url:
            return "?"
        return self.parser.get_method().decode("ascii")

    def _linger(self) -> None:
        """Close our half now and the rest soon: closing on unread bytes would take the answer from the client."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)


def _plain(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """An IPv4 address as such, also where a socket for both families shows it as one of IPv6."""
    return client and (client[0].removeprefix(IPV4_MAPPED), client[1])


def _head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode("ascii")
    return line + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"


def _refusal_of(error: httptools.HttpParserError) -> Refusal:
    """Why the parser stopped: one of our callbacks refused, or it could not read on."""
    if isinstance(error.__context__, Refusal):
        return error.__context__
    reason = str(error)
    is_about_length = "Content-Length" in reason or "Transfer-Encoding" in reason
    return InvalidRequest(_LENGTH if is_about_length else MALFORMED)


def _fault(version: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What is wrong with a head that the parser let pass. It has refused two lengths, and a length beside chunks."""
    given = list(headers)
    hosts = [value for name, value in given if name == b"host"]
    if version not in {"1.0", "1.1"}:
        return _VERSION
    if len(hosts) > 1 or (version == "1.1" and not any(hosts)):
        return _HOST
    if version == "1.0" and any(name == b"transfer-encoding" for name, _ in given):
        return _LENGTH
    return None
