"""One connection of the web process: when it is read, and which requests are refused before the application.

The line and the headers of a request are limited in size, number and time, and its body in time. Input that is not
HTTP, or is ambiguous, is refused in the contract's words, and the connection is closed. A request that is refused
before all of its headers have arrived has no route, and its X-Request-ID is used only if that header has arrived.

A connection's requests are parsed one at a time: the next one only after the client has read the answer before it. Data
that arrives earlier waits unparsed, and nothing more is read until it is parsed. The crowd limits the memory of all
connections together.

This is uvicorn's protocol on httptools with additional checks. Besides the parser's callbacks it and its two base
classes (`answering.py`, `refusing.py`) rely on these names of uvicorn: `_start_asgi_task`, `app`, `connections`,
`client`, `cycle` (`body`, `default_headers`, `disconnected`, `keep_alive`, `message_event`, `response_complete`,
`response_started`, `waiting_for_100_continue`), `expect_100_continue`, `flow` (`read_paused`, `write_paused`,
`resume_reading`), `headers`, `loop`, `parser`, `on_response_complete`, `scope`, `server_state.default_headers`,
`timeout_keep_alive`, `timeout_keep_alive_handler`, `timeout_keep_alive_task`, `transport` and `url`.

It does not limit the size of a body: endpoints do. After a refusal, it may close the connection while the client is
still sending.
"""

import asyncio
import re
from collections.abc import Callable
from typing import ClassVar, Final, Self

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from easel.domain.errors import (
    HeadersTooLarge,
    InvalidRequest,
    RateLimitExceeded,
    RequestTimeout,
    ServiceUnavailable,
)
from easel.web.answers import request_id
from easel.web.client_limits import RETRY_AFTER_S
from easel.web.edge import limits, refusing
from easel.web.edge.chunks import ChunkCount
from easel.web.edge.crowd import Crowd
from easel.web.edge.refusing import Phase, RefusingProtocol
from easel.web.edge.untaken import UntakenTimer

_IPV4_MAPPED: Final = "::ffff:"
_BLANK_LINES: Final = re.compile(rb"[\r\n]*")
_EMPTY_LINE: Final = b"\r\n\r\n"
_CONTENT_LENGTH: Final = b"content-length"
_TRANSFER_ENCODING: Final = b"transfer-encoding"
_LENGTH_HEADERS: Final = frozenset({_CONTENT_LENGTH, _TRANSFER_ENCODING})
_TIMEOUTS_S: Final = {Phase.HEAD: limits.HEAD_TIMEOUT_S, Phase.BODY: limits.BODY_TIMEOUT_S}


class _Flow(FlowControl):
    """uvicorn's flow control, except that the edge decides when to resume reading."""

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._read_on = read_on

    def resume_reading(self) -> None:
        """Called by uvicorn when an answer is complete, and when the application reads a body."""
        self._read_on()

    def read(self) -> None:
        """Resume reading."""
        super().resume_reading()

    def end(self) -> None:
        """Drop the reference to the protocol, which would otherwise wait for the garbage collector."""
        self._read_on = lambda: None


class EdgeProtocol(RefusingProtocol):
    """One connection. uvicorn creates it, and the event loop calls it."""

    crowd: ClassVar[Crowd]
    untaken_timeout_s: ClassVar[float] = limits.UNTAKEN_TIMEOUT_S
    untaken_check_s: ClassVar[float] = limits.UNTAKEN_CHECK_S
    flow: _Flow

    # The state of a new connection. The values are immutable, so all instances can share them.
    _requests = 0
    _unparsed = b""
    """Data that has arrived and waits to be parsed."""
    _is_reading_on = False
    _parser_bytes = 0
    """What the parser may still hold of a head, of trailers and of blank lines."""
    _head_bytes = 0
    """The size of the head of the request that is being answered."""
    _fed_last = b""
    """The last bytes given to the parser, in which an empty line may have begun."""
    _watched = (Phase.BETWEEN, 0)
    _body_bytes = 0
    """How much of the current body has arrived."""
    _body_left_bytes: int | None = None
    """How much of the current body is missing. None if it is chunked."""
    _chunks: ChunkCount | None = None
    _is_noted_by_crowd = False
    _untaken: UntakenTimer

    @classmethod
    def among(cls, crowd: Crowd) -> type[Self]:
        """The protocol class for a process whose connections form this crowd."""
        return type(cls.__name__, (cls,), {"crowd": crowd})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called by the event loop. A connection over a limit is answered and closed at once."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(limits.UNTAKEN_BYTES)
        self.flow = _Flow(transport, self._read_on_soon)
        self._untaken = UntakenTimer(transport, self.untaken_timeout_s, self.untaken_check_s)
        self.client = _without_ipv6_prefix(self.client)
        self.began_s = self.answered_at_s = self.loop.time()
        if len(self.connections) > limits.CONNECTIONS_MAX:
            self.turn_away(ServiceUnavailable())
        elif not self.crowd.enter(self, "" if self.client is None else self.client[0]):
            self.turn_away(RateLimitExceeded(RETRY_AFTER_S))
        else:
            self.close_when_idle(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.stop_timer()
        self._untaken.stop()
        self._unset_keepalive_if_required()  # uvicorn stops it only for connections that end without an error
        self._unparsed = b""
        self.crowd.leave(self)
        super().connection_lost(exc)
        self.flow.end()

    def give_up(self) -> None:
        """Called by the crowd when all connections together hold too much."""
        self._unparsed = b""
        self.transport.abort()

    # Reading.

    def data_received(self, data: bytes) -> None:
        """Called by the event loop. Data after a refusal is discarded."""
        if self.refusal is not None:
            self.discard(len(data))
        else:
            self._unparsed += data
            self._parse()

    def _read_on_soon(self) -> None:
        # Deferred, because uvicorn calls this while it changes its own state.
        if not self._is_reading_on and (self._unparsed or self.flow.read_paused):
            self._is_reading_on = True
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._is_reading_on = False
        self._watched = (Phase.BETWEEN, 0)  # restart the timeout: it was the edge that did not read
        self._go_on()

    def _go_on(self) -> None:
        if self.refusal is None and not self.transport.is_closing():
            self._parse()

    def _parse(self) -> None:
        """Parse what may be parsed. The rest waits, and the connection is not read meanwhile."""
        data, position, pieces = self._unparsed, 0, 0
        while position < len(data) and self.refusal is None and pieces < limits.PIECES_AT_ONCE_MAX:
            if self.phase is Phase.BETWEEN and data[position] in b"\r\n":
                position = self._skip_blank_lines(data, position)
            if position == len(data) or not self._may_parse():
                break
            position = self._feed(data, position)
            pieces += 1
        self._unparsed = data[position:]
        if pieces == limits.PIECES_AT_ONCE_MAX:
            self.loop.call_soon(self._go_on)
        if self.refusal is not None or self.transport.is_closing():
            self.discard(len(self._unparsed))
            self._unparsed = b""
        else:
            if self._unparsed:
                self.flow.pause_reading()
            else:
                self.flow.read()
            if self.phase is not Phase.BETWEEN or self.timer is not None:
                self._watch()
        self._note_held()

    def _may_parse(self) -> bool:
        if self.transport.is_closing():
            return False
        if self.phase is Phase.BETWEEN:
            return not self.is_answering and not self.flow.write_paused
        return self.phase is Phase.HEAD or len(self.cycle.body) <= HIGH_WATER_LIMIT

    def _skip_blank_lines(self, data: bytes, position: int) -> int:
        """Skip blank lines before a request, which some clients send after a body. Returns where they end."""
        lines = _BLANK_LINES.match(data, position)
        assert lines is not None, "the pattern also matches no lines"
        self._parser_bytes += lines.end() - position
        self._refuse_if_too_large()
        return lines.end()

    def _feed(self, data: bytes, position: int) -> int:
        """Give the parser the next part, at most to the request's end. Returns where the part ends."""
        part = data[position : self._end_of_part(data, position)]
        if self.phase is Phase.BODY and not self.is_answering:
            self.discard(len(part))
        if self.phase is Phase.BODY and self._chunks is not None:
            self._chunks.note_read(len(part))
        self._fed_last = (self._fed_last + part)[1 - len(_EMPTY_LINE) :]
        self._parser_bytes += len(part)  # callbacks reset it when the parser has passed on what it held
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing is upgraded here, so what follows is the next request.
            return position + int(upgrade.args[0])
        except httptools.HttpParserError as error:
            self.refuse(refusing.refusal_of(error))
        else:
            self._refuse_if_too_large()
        return position + len(part)

    def _end_of_part(self, data: bytes, position: int) -> int:
        """The earliest place where the request may end. A head ends with an empty line, and so does a chunked body."""
        if self.phase is Phase.BODY and self._body_left_bytes is not None:
            return min(len(data), position + min(self._body_left_bytes, limits.HEAD_BYTES_MAX))
        seam = self._fed_last + data[position : position + len(_EMPTY_LINE) - 1]
        begins = seam.find(_EMPTY_LINE)
        if begins >= 0:
            return position + begins + len(_EMPTY_LINE) - len(self._fed_last)
        most = min(len(data), position + limits.HEAD_BYTES_MAX - self._parser_bytes)
        begins = data.find(_EMPTY_LINE, position, most)
        return begins + len(_EMPTY_LINE) if begins >= 0 else most

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        """Called by the parser at a request's first byte."""
        super().on_message_begin()
        self.phase = Phase.HEAD
        self._requests += 1
        self.began_s = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        super().on_url(url)
        if len(self.url) > limits.TARGET_BYTES_MAX:
            raise _too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, also for trailers, which are ignored."""
        if self.phase is Phase.BODY:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if len(self.headers) > limits.HEADERS_MAX:
            raise _too_large()

    def on_headers_complete(self) -> None:
        """Called by the parser. Gives the request its id, and hands it to the application."""
        assert not self.is_answering, "requests are parsed one at a time"
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        # The parser refuses two lengths, lengths that are not numbers, and a length together with chunks.
        lengths = {name: value for name, value in self.headers if name in _LENGTH_HEADERS}
        if version not in {"1.0", "1.1"}:
            raise InvalidRequest(refusing.VERSION)
        if len(hosts) > 1 or (version == "1.1" and not any(hosts)):
            raise InvalidRequest(refusing.HOST)
        if version == "1.0" and _TRANSFER_ENCODING in lengths:
            raise InvalidRequest(refusing.LENGTH)
        self.scope["state"]["request_id"] = request_id(self.headers)
        super().on_headers_complete()
        self.phase = Phase.BODY
        self.is_answering = True
        self._head_bytes = self._parser_bytes
        self._parser_bytes = self.discarded_bytes = 0
        self._body_bytes = 0
        self._body_left_bytes = int(lengths[_CONTENT_LENGTH]) if _CONTENT_LENGTH in lengths else None
        self._chunks = ChunkCount() if _TRANSFER_ENCODING in lengths else None

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._parser_bytes = 0
        self._body_bytes += len(body)
        if self._body_left_bytes is not None:
            self._body_left_bytes -= len(body)
        if self._chunks is not None:
            self._chunks.note_chunk(len(body))
        if self.is_answering:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self.phase = Phase.BETWEEN
        self._parser_bytes = 0

    # Answering.

    def on_response_complete(self) -> None:
        """Called by uvicorn. If the data after this request was refused, that refusal is sent only now."""
        self.is_answering = False
        self.cycle.body.clear()  # the rest of it is not needed
        self._head_bytes = 0
        super().on_response_complete()
        self._note_held()
        if self.refusal is not None:
            self.answer_refusal(self.refusal)

    def pause_writing(self) -> None:
        """Called by the event loop when the client is slow to read an answer."""
        super().pause_writing()
        self._note_held()

    def resume_writing(self) -> None:
        """Called by the event loop when the client has read most of an answer."""
        super().resume_writing()
        self._untaken.note_taken()
        self._note_held()
        self._read_on_soon()

    def _note_held(self) -> None:
        """Tell the crowd how much this connection holds beyond HELD_FREELY_BYTES."""
        heads_bytes = self._head_bytes + self._parser_bytes
        body_bytes = min(self._body_bytes, limits.KEPT_BODY_BYTES_MAX) if self.is_answering else 0
        untaken_bytes = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        held_bytes = len(self._unparsed) + untaken_bytes + limits.OBJECTS_FACTOR * (heads_bytes + body_bytes)
        is_much = held_bytes > limits.HELD_FREELY_BYTES
        if is_much or self._is_noted_by_crowd:
            self._is_noted_by_crowd = is_much
            self.crowd.note(self, max(0, held_bytes - limits.HELD_FREELY_BYTES))

    # Timeouts.

    def timeout_keep_alive_handler(self) -> None:
        """Called by the timer, which also runs before the first request and while a request is answered."""
        waits = self._unparsed or self.transport.get_write_buffer_size()
        left_s = self.answered_at_s + self.timeout_keep_alive - self.loop.time()
        if self.phase is not Phase.BETWEEN or self.is_answering or waits:
            self.close_when_idle(self.timeout_keep_alive)
        elif left_s > 0:
            self.close_when_idle(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _watch(self) -> None:
        """Run a timer while a head arrives, and another while a body does."""
        watched = (self.phase, self._requests)
        if watched == self._watched:
            return
        self._watched = watched
        self.stop_timer()
        timeout_s = _TIMEOUTS_S.get(self.phase)
        if timeout_s is not None:
            self.timer = self.loop.call_later(timeout_s, self._time_out, timeout_s)

    def _time_out(self, timeout_s: int) -> None:
        if self.flow.read_paused:  # the edge is not reading, so the data may have arrived long ago
            self.timer = self.loop.call_later(timeout_s, self._time_out, timeout_s)
        else:
            self.refuse(RequestTimeout())

    def _refuse_if_too_large(self) -> None:
        if self._parser_bytes >= limits.HEAD_BYTES_MAX:
            self.refuse(_too_large())


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(limits.HEAD_BYTES_MAX, limits.HEADERS_MAX, limits.TARGET_BYTES_MAX)


def _without_ipv6_prefix(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """The client with a plain IPv4 address, even if a dual-stack socket shows it as an IPv6 address."""
    return client and (client[0].removeprefix(_IPV4_MAPPED), client[1])
