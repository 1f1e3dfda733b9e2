"""Closes a connection whose client has stopped reading its answer.

A client that reads a little at a time stays connected, however slow it is. Its connection holds at most
UNTAKEN_BYTES (`web/edge/limits.py`) and one piece of the answer in memory.
"""

import asyncio

import structlog

log = structlog.get_logger(__name__)


class UntakenTimer:
    """Watches one connection's answers."""

    def __init__(self, transport: asyncio.Transport, timeout_s: float, check_s: float) -> None:
        self._transport = transport
        self._timeout_s = timeout_s
        self._check_s = check_s
        self._loop = asyncio.get_running_loop()
        self._left_bytes = 0
        self._taken_at_s = self._loop.time()
        self._timer = self._loop.call_later(check_s, self._check)

    def note_taken(self) -> None:
        """Note that the client has read some of its answer."""
        self._taken_at_s = self._loop.time()

    def stop(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _check(self) -> None:
        now_s = self._loop.time()
        left_bytes = self._transport.get_write_buffer_size()
        had_nothing_to_read = self._left_bytes == 0
        if had_nothing_to_read or left_bytes < self._left_bytes:
            self._taken_at_s = now_s
        self._left_bytes = left_bytes
        if left_bytes and now_s - self._taken_at_s >= self._timeout_s:
            log.info("connection_closed", reason="the client reads nothing of its answer")
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(self._check_s, self._check)
