"""The progress of one draw: the drawing thread counts steps, the event loop waits for them and can stop the draw."""

import asyncio
from collections.abc import Callable

from easel.live.previews import Previews


class Stopped(Exception):
    """Raised in the drawing thread between two steps. If `is_ended`, the task has ended and the picture is not needed.
    Otherwise the draw took too long."""

    def __init__(self, *, is_ended: bool) -> None:
        super().__init__("ended" if is_ended else "too late")
        self.is_ended = is_ended


class DrawProgress:
    """How far one draw is. `on_nearly_done` is called in the event loop when the last step begins. Without `previews`,
    the engine is asked for none."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_nearly_done: Callable[[], None],
        previews: Previews | None = None,
    ) -> None:
        self.previews = previews
        self.steps_done = 0
        self.steps_total = 1
        self._loop = loop
        self._on_nearly_done = on_nearly_done
        self._life = asyncio.Event()
        self._stopped: Stopped | None = None

    def on_step(self, steps_done: int, steps_total: int) -> None:
        """Called by the engine, in its thread. Raises Stopped."""
        if self._stopped is not None:
            raise self._stopped
        self.steps_done, self.steps_total = steps_done, steps_total
        if not self._life.is_set():  # else an earlier step has woken the loop already
            self._loop.call_soon_threadsafe(self._life.set)
        if 0 < steps_done == steps_total - 1:
            self._loop.call_soon_threadsafe(self._on_nearly_done)

    async def sign_of_life(self) -> None:
        """Wait for the engine's next call."""
        await self._life.wait()
        self._life.clear()

    def stop(self, *, is_ended: bool) -> None:
        """Stop the draw at its next step. The first reason given counts."""
        self._stopped = self._stopped or Stopped(is_ended=is_ended)
