"""How fast a connection goes: it is read when the edge says so, and its answers must be taken in time.

The protocol that parses builds on this one. It does not promise that a client which takes an answer a little at a time
is ever given up: only that such a client holds no more than UNTAKEN_BYTES and one piece of its answer.
"""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final, Self

import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from easel.web.edge.crowd import Crowd

log = structlog.get_logger(__name__)

UNTAKEN_BYTES: Final = 16 * 1024
"""How much of an answer may wait to be taken before the application waits as well."""
HELD_FREELY_BYTES: Final = 4 * 1024
"""What any connection may hold for long without being given up for it: enough for an ordinary request that waits."""
UNTAKEN_TIMEOUT_S: Final = 30
"""How long a client may take nothing of an answer that waits for it."""
UNTAKEN_CHECK_S: Final = 5


class Flow(FlowControl):
    """uvicorn's flow control. When uvicorn would read on, the edge decides whether it is time."""

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._read_on = read_on

    def resume_reading(self) -> None:
        """Called by uvicorn when an answer is complete, and when the application asks for a body."""
        self._read_on()

    def read(self) -> None:
        """Read the connection again."""
        super().resume_reading()

    def end(self) -> None:
        """Let go of the protocol, so that nothing waits for the garbage collector."""
        self._read_on = lambda: None


class PacedProtocol(HttpToolsProtocol):
    """One connection of the crowd."""

    crowd: ClassVar[Crowd]
    untaken_timeout_s: ClassVar[float] = UNTAKEN_TIMEOUT_S
    untaken_check_s: ClassVar[float] = UNTAKEN_CHECK_S
    flow: Flow

    _unparsed = b""
    """What has arrived and waits for its turn."""
    _is_reading_on = False
    _untaken_timer: asyncio.TimerHandle | None = None
    _untaken_bytes = 0
    _taken_at_s = 0.0

    @classmethod
    def among(cls, crowd: Crowd) -> type[Self]:
        """The protocol of all connections of a process."""
        return type(cls.__name__, (cls,), {"crowd": crowd})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called by the event loop."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(UNTAKEN_BYTES)
        self.flow = Flow(transport, self._read_on_soon)
        self._taken_at_s = self.loop.time()
        self._untaken_timer = self.loop.call_later(self.untaken_check_s, self._check_taken)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._untaken_timer is not None:
            self._untaken_timer.cancel()
        self._unparsed = b""
        self.crowd.leave(self)
        super().connection_lost(exc)
        self.flow.end()

    def read_on(self) -> None:
        """Go on with what waits, and with the connection. Called soon after anything has changed that may allow it."""
        raise NotImplementedError

    def _read_on_soon(self) -> None:
        # Not at once: this is called in the middle of uvicorn's own changes.
        if not self._is_reading_on and (self._unparsed or self.flow.read_paused):
            self._is_reading_on = True
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._is_reading_on = False
        if not self.transport.is_closing():
            self.read_on()

    def pause_writing(self) -> None:
        """Called by the event loop when the client is slow to take an answer."""
        super().pause_writing()
        self.note_held()

    def resume_writing(self) -> None:
        """Called by the event loop when the client has taken most of it."""
        super().resume_writing()
        self._taken_at_s = self.loop.time()
        self.note_held()
        self._read_on_soon()

    def note_held(self) -> None:
        """Tell the crowd what this connection holds beyond what every connection may."""
        self.crowd.note(self, max(0, self.held_bytes() - HELD_FREELY_BYTES))

    def held_bytes(self) -> int:
        """What has arrived and is not parsed, and what of an answer is not taken."""
        return len(self._unparsed) + (self.transport.get_write_buffer_size() if self.flow.write_paused else 0)

    def give_up(self) -> None:
        """Called by the crowd when its connections hold too much together."""
        self._unparsed = b""
        self.transport.abort()

    def _check_taken(self) -> None:
        now_s = self.loop.time()
        left_bytes = self.transport.get_write_buffer_size()
        if not 0 < self._untaken_bytes <= left_bytes:
            self._taken_at_s = now_s
        self._untaken_bytes = left_bytes
        if left_bytes and now_s - self._taken_at_s >= self.untaken_timeout_s:
            log.info("connection_given_up", reason="its answer is not taken")
            self.transport.abort()
        else:
            self._untaken_timer = self.loop.call_later(self.untaken_check_s, self._check_taken)
