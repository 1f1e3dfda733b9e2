"""The edge below the application: what is read of a connection, when, and how long an answer waits to be taken.

A request's line and headers are limited in size and number and, like its body, in time; what is no HTTP, or could be
read in two ways, is refused in the contract's words. After such an answer the connection is closed. A request that is
refused before its headers are whole has no route and, unless its id came first, an id that it did not choose.

One request of a connection is parsed at a time: the next one when its answer is written and the client has taken it.
What arrives meanwhile waits unparsed, and the connection is not read until it is parsed. A client that takes nothing
of an answer for UNTAKEN_TIMEOUT_S is given up. What all connections hold together is limited by the crowd.

It is uvicorn's protocol on httptools with a watch on it, and leans on these of its names, besides the callbacks of the
parser: `connections`, `client`, `cycle` (`body`, `disconnected`, `message_event`, `response_complete`,
`response_started`, `waiting_for_100_continue`), `flow` (`read_paused`, `write_paused`, `resume_reading`), `headers`,
`loop`, `parser`, `on_response_complete`, `scope`, `server_state.default_headers`, `timeout_keep_alive`,
`timeout_keep_alive_handler`, `timeout_keep_alive_task`, `transport` and `url`.

It does not promise: a limit on a body's size, which is the endpoint's; that what a client sends after a refusal is read
to its end before the connection goes.
"""

import asyncio
import enum
import re
from typing import Final

import httptools
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from easel.domain.errors import (
    HeadersTooLarge,
    InvalidRequest,
    RateLimitExceeded,
    Refusal,
    RequestTimeout,
    ServiceUnavailable,
)
from easel.web.answers import SECURITY_HEADERS, refusal_answer, request_id
from easel.web.edge.bodies import ArrivingBody
from easel.web.edge.heads import answer_head, fault_of, refusal_of
from easel.web.edge.pace import PacedProtocol
from easel.web.limits import RETRY_AFTER_S

log = structlog.get_logger(__name__)

HEAD_BYTES_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 100
TARGET_BYTES_MAX: Final = 4096
"""Longest path and query of a request. Taking a long one apart takes milliseconds; ours have some hundred bytes."""
PIECES_AT_ONCE_MAX: Final = 64
"""After how many pieces of a body other connections have their turn."""
OBJECTS_FACTOR: Final = 2
"""How much more memory a head takes as objects than as bytes, and a body while it is put together."""
HEAD_TIMEOUT_S: Final = 5
BODY_TIMEOUT_S: Final = 10
CONNECTIONS_MAX: Final = 4096
IPV4_MAPPED: Final = "::ffff:"
LINGER_S: Final = 2
"""How long a refused client may go on sending, unread, so that it finds the answer rather than a reset connection."""
DISCARDED_BYTES_MAX: Final = 256 * 1024
"""How much of that is taken off the connection and thrown away, and of a body that came too late for its answer."""
RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""What the system is to hold of a connection that is not read, and so the most that arrives at once."""
SEND_BUFFER_BYTES: Final = 256 * 1024
"""What the system is to hold of an answer that is not taken. It would take megabytes, for which all would have to wait."""

_BLANK_LINES: Final = re.compile(rb"[\r\n]*")
_EMPTY_LINE: Final = b"\r\n\r\n"


class _Phase(enum.Enum):
    """Which part of a request the next byte belongs to."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


_TIMEOUTS_S: Final = {_Phase.HEAD: HEAD_TIMEOUT_S, _Phase.BODY: BODY_TIMEOUT_S}


class EdgeProtocol(PacedProtocol):
    """One connection. uvicorn makes it, and the event loop calls it."""

    # The state of a fresh connection; the values are immutable, so every instance begins with them.
    _phase = _Phase.BETWEEN
    _requests = 0
    _is_answering = False
    _held_bytes = 0
    """What was fed to the parser and may still be in its memory: of a head, of trailers, of blank lines."""
    _head_bytes = 0
    """The size of the head of the request that is being answered."""
    _fed_last = b""
    """The last bytes that were fed, where an empty line may have begun."""
    _discarded_bytes = 0
    _began_s = 0.0
    _refusal: Refusal | None = None
    _watched = (_Phase.BETWEEN, 0)
    _timer: asyncio.TimerHandle | None = None
    _body: ArrivingBody

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called by the event loop. Beyond a limit a connection is answered and closed at once."""
        super().connection_made(transport)
        self.client = _plain(self.client)
        self._began_s = self.loop.time()
        self._body = ArrivingBody()
        if len(self.connections) > CONNECTIONS_MAX:
            self._turn_away(ServiceUnavailable())
        elif not self.crowd.enter(self, "" if self.client is None else self.client[0]):
            self._turn_away(RateLimitExceeded(RETRY_AFTER_S))
        else:
            self._close_when_idle()

    def _turn_away(self, refusal: Refusal) -> None:
        self._refusal = refusal
        self._answer(refusal)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._stop_timer()
        self._unset_keepalive_if_required()  # it would go on from answer to answer, and none comes any more
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop. What follows a refusal is thrown away."""
        if self._refusal is not None:
            self._discard(len(data))
        else:
            self._unparsed += data
            self._parse()

    def read_on(self) -> None:
        """Go on with what waits, and with the connection."""
        if self._refusal is None:
            self._watched = (_Phase.BETWEEN, 0)  # the client's time begins anew: until now it was we who did not read
            self._parse()

    def _parse(self) -> None:
        """Parse as far as may be. What is left waits, and the connection is not read meanwhile."""
        data, position, pieces = self._unparsed, 0, 0
        while position < len(data) and self._refusal is None and pieces < PIECES_AT_ONCE_MAX:
            if self._phase is _Phase.BETWEEN:
                position = self._skip_blank_lines(data, position)
            if position == len(data) or not self._may_parse():
                break
            position = self._feed(data, position)
            pieces += 1
        self._unparsed = data[position:]
        if pieces == PIECES_AT_ONCE_MAX:
            self.loop.call_soon(self._go_on)
        if self._refusal is not None or self.transport.is_closing():
            self._discard(len(self._unparsed))
            self._unparsed = b""
        else:
            if self._unparsed:
                self.flow.pause_reading()
            else:
                self.flow.read()
            self._watch()
        self.note_held()

    def _go_on(self) -> None:
        if self._refusal is None and not self.transport.is_closing():
            self._parse()

    def _may_parse(self) -> bool:
        if self.transport.is_closing():
            return False
        if self._phase is _Phase.BETWEEN:
            return not self._is_answering and not self.flow.write_paused
        return self._phase is _Phase.HEAD or len(self.cycle.body) <= HIGH_WATER_LIMIT

    def _skip_blank_lines(self, data: bytes, position: int) -> int:
        """Blank lines before a request mean nothing, and some clients send them after a body."""
        lines = _BLANK_LINES.match(data, position)
        assert lines is not None, "no lines at all match too"
        self._held_bytes += lines.end() - position
        self._refuse_if_too_large()
        return lines.end()

    def _feed(self, data: bytes, position: int) -> int:
        """Feed the parser, never beyond a request's end, and no more than may be held; where to go on."""
        part = data[position : self._end_of_part(data, position)]
        if self._phase is _Phase.BODY:
            self._body.note_read(len(part))
            if not self._is_answering:
                self._discard(len(part))
        self._fed_last = (self._fed_last + part)[1 - len(_EMPTY_LINE) :]
        self._held_bytes += len(part)  # callbacks set it back when the parser gives out what it held
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing is upgraded here: what follows is the next request.
            return position + int(upgrade.args[0])
        except httptools.HttpParserError as error:
            self._refuse(refusal_of(error))
        else:
            self._refuse_if_too_large()
        return position + len(part)

    def _end_of_part(self, data: bytes, position: int) -> int:
        """Where a request may end at the earliest. A head ends with an empty line, and so does a body in chunks."""
        if self._phase is _Phase.BODY and self._body.left_bytes is not None:
            return min(len(data), position + min(self._body.left_bytes, HEAD_BYTES_MAX))
        seam = self._fed_last + data[position : position + len(_EMPTY_LINE) - 1]
        begins = seam.find(_EMPTY_LINE)
        if begins >= 0:
            return position + begins + len(_EMPTY_LINE) - len(self._fed_last)
        most = min(len(data), position + HEAD_BYTES_MAX - self._held_bytes)
        begins = data.find(_EMPTY_LINE, position, most)
        return begins + len(_EMPTY_LINE) if begins >= 0 else most

    def on_message_begin(self) -> None:
        """Called by the parser at a request's first byte."""
        super().on_message_begin()
        self._phase = _Phase.HEAD
        self._requests += 1
        self._began_s = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        super().on_url(url)
        if len(self.url) > TARGET_BYTES_MAX:
            raise _too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser. Trailers come here as well; they are no headers, and nothing here asks for them."""
        if self._phase is _Phase.BODY:
            return
        super().on_header(name, value)
        if len(self.headers) > HEADERS_MAX:
            raise _too_large()

    def on_headers_complete(self) -> None:
        """Called by the parser. Names the request, and hands it to the application."""
        assert not self._is_answering, "requests are parsed one at a time"
        fault = fault_of(self.parser.get_http_version(), self.headers)
        if fault is not None:
            raise InvalidRequest(fault)
        self.scope["state"]["request_id"] = request_id(self.headers)
        super().on_headers_complete()
        self._phase = _Phase.BODY
        self._is_answering = True
        self._head_bytes = self._held_bytes
        self._held_bytes = self._discarded_bytes = 0
        # The parser has seen to it that there is one at most, and that it is a number.
        length_bytes = next((int(value) for name, value in self.headers if name == b"content-length"), None)
        self._body = ArrivingBody(length_bytes)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._held_bytes = 0
        self._body.note_piece(len(body))
        if self._is_answering:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._phase = _Phase.BETWEEN
        self._held_bytes = 0

    def on_response_complete(self) -> None:
        """Called by uvicorn. A refusal of what follows waits here until the request before it is answered."""
        self._is_answering = False
        self.cycle.body.clear()  # what nobody has read by now
        self._head_bytes = 0
        super().on_response_complete()
        self.note_held()
        if self._refusal is not None:
            self._answer(self._refusal)

    def timeout_keep_alive_handler(self) -> None:
        """Called by uvicorn's timer, which runs from connection to first answer too, and on from answer to answer."""
        waits = self._unparsed or self.transport.get_write_buffer_size()
        if self._phase is _Phase.BETWEEN and not self._is_answering and not waits:
            super().timeout_keep_alive_handler()
        else:
            self._close_when_idle()

    def _close_when_idle(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def held_bytes(self) -> int:
        """What the connection holds in memory, about."""
        heads_bytes = self._head_bytes + self._held_bytes
        body_bytes = self._body.kept_bytes if self._is_answering else 0
        return super().held_bytes() + OBJECTS_FACTOR * (heads_bytes + body_bytes)

    def _refuse_if_too_large(self) -> None:
        if self._held_bytes >= HEAD_BYTES_MAX:
            self._refuse(_too_large())

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
        """Read no more requests, and answer this one when the one before it is answered."""
        self._stop_timer()
        self._refusal = refusal
        if self._phase is _Phase.BODY and not self._is_withdrawn(refusal):
            self.transport.close()
        elif not self._is_answering:
            self._answer(refusal)

    def _is_withdrawn(self, refusal: Refusal) -> bool:
        """Take the request whose body is on its way back from the application; False when its answer has begun."""
        if self.cycle.response_started:
            return False
        self.scope["state"]["refused_with"] = refusal.status
        self.cycle.disconnected = True
        self.cycle.waiting_for_100_continue = False
        self.cycle.message_event.set()
        self._is_answering = False
        return True

    def _discard(self, count_bytes: int) -> None:
        """Throw away what nobody asked for, up to a limit; then the connection goes, once its answer is written."""
        self._discarded_bytes += count_bytes
        if self._discarded_bytes <= DISCARDED_BYTES_MAX or self.transport.is_closing():
            return
        if self._is_answering:
            self.flow.pause_reading()
        else:
            self.transport.close()

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
        self.transport.write(answer_head(refusal.status, headers) + body)
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
        self._discard(0)


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX)


def _plain(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """An IPv4 address as such, also where a socket for both families shows it as one of IPv6."""
    return client and (client[0].removeprefix(IPV4_MAPPED), client[1])
