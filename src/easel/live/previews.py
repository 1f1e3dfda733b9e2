"""The previews of one draw: the drawing thread makes them now and then, and the event loop encodes and sends them.

They are made only while somebody wants them, at most four times a second, and take at most a fiftieth of the time of
the draw, making and encoding together. Of two that follow each other quickly, the first may be dropped.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from easel.engines.encoding import encode_preview
from easel.engines.engine import MakePreview, Pixels

EVERY_S: Final = 0.25
SHARE_MAX: Final = 0.02
"""The largest part of the time since the draw began that previews may take."""


class Previews:
    """The previews of a draw that begins now. `is_wanted` is asked in the drawing thread. `clock` gives seconds."""

    def __init__(
        self, is_wanted: Callable[[], bool], bytes_max: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_wanted = is_wanted
        self._bytes_max = bytes_max
        self._clock = clock
        self._began_at_s = clock()
        self._next_at_s = self._began_at_s + EVERY_S
        self._made = 0
        self._making_s = 0.0
        self._encoding_s = 0.0
        self._latest: Pixels | None = None

    def offer(self, make: MakePreview) -> None:
        """Called by the engine, in its thread."""
        started_s = self._clock()
        if max(self._next_at_s, self._affordable_at_s()) > started_s or not self._is_wanted():
            return
        latest = make()
        if latest is None:
            return
        self._next_at_s = started_s + EVERY_S
        self._latest = latest
        self._made += 1
        self._making_s += self._clock() - started_s

    async def take(self) -> bytes | None:
        """The latest preview as a file, once. None if there is none, or if it cannot be made small enough."""
        pixels, self._latest = self._latest, None
        if pixels is None:
            return None
        file, seconds = await asyncio.to_thread(_encoded, pixels, self._bytes_max)
        if self._made > 1:  # the first may have loaded the encoder, which finished pictures need too
            self._encoding_s += seconds
        return file

    def _affordable_at_s(self) -> float:
        """When one more preview, as costly as those before, keeps within SHARE_MAX."""
        if not self._made:
            return self._began_at_s
        spent_s = self._making_s + self._encoding_s
        return self._began_at_s + (spent_s + spent_s / self._made) / SHARE_MAX


def _encoded(pixels: Pixels, bytes_max: int) -> tuple[bytes | None, float]:
    """The file, and how many seconds of a processor it took."""
    started_s = time.thread_time()
    file = encode_preview(pixels, bytes_max)
    return file, time.thread_time() - started_s
