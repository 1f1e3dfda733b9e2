"""The steps of one draw: counted in the thread that draws, awaited in the event loop, and where a draw is stopped."""

import asyncio
from collections.abc import Callable


class Stopped(Exception):
    """Raised in the drawing thread, between two steps. `is_ended`: the task has ended, so nobody wants the picture;
    otherwise the draw took too long."""

    def __init__(self, *, is_ended: bool) -> None:
        super().__init__("ended" if is_ended else "too late")
        self.is_ended = is_ended


class Steps:
    """How far one draw is. `on_nearly_done` is called in the event loop when the last step begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_nearly_done: Callable[[], None]) -> None:
        self.done = 0
        self.total = 1
        self._loop = loop
        self._on_nearly_done = on_nearly_done
        self._life = asyncio.Event()
        self._stopped: Stopped | None = None

    def on_step(self, steps_done: int, steps_total: int) -> None:
        """What the engine calls, in its thread. Raises Stopped."""
        if self._stopped is not None:
            raise self._stopped
        self.done, self.total = steps_done, steps_total
        if not self._life.is_set():  # else the loop is awake for an earlier step
            self._loop.call_soon_threadsafe(self._life.set)
        if 0 < steps_done == steps_total - 1:
            self._loop.call_soon_threadsafe(self._on_nearly_done)

    async def sign_of_life(self) -> None:
        """Wait for the next call of the engine."""
        await self._life.wait()
        self._life.clear()

    def stop(self, *, is_ended: bool) -> None:
        """Have the draw stop at its next step; the first reason counts."""
        self._stopped = self._stopped or Stopped(is_ended=is_ended)
