"""Draw slots. They tell a worker when to take another job.

A job that is taken early is drawn before any job queued later, even if that is unfair. So a worker takes a job only
when a slot is free or the draw in it has reached its last step. If draws are faster than taking a job, it takes as many
as fit into AHEAD_S, so no task waits longer than that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

AHEAD_S: Final = 0.05


class Slot:
    """The slot of one draw, from its start to its end."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots
        self._is_counted = True

    @property
    def is_nearly_drawn(self) -> bool:
        """Whether the draw has reached its last step."""
        return not self._is_counted

    def nearly_drawn(self) -> None:
        """Stop counting this draw: the worker may take the next job."""
        if self._is_counted:
            self._is_counted = False
            self._slots.uncount()


class Slots:
    """One slot for each draw that may run at once, and at most `jobs_max` jobs taken. `clock` gives seconds."""

    def __init__(self, slots: int, jobs_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._ahead_max = jobs_max - slots
        self._clock = clock
        self._free = asyncio.Semaphore(slots)
        self._undrawn = 0
        self._draw_s: float | None = None
        """Duration of the latest draw that reached its last step. A draw that was stopped, or never began because its
        task had ended, does not show how long the next one takes."""
        self._has_changed = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether another job should be taken now."""
        return self._undrawn < self._slots + self._ahead

    async def room(self) -> None:
        """Wait until another job should be taken."""
        while not self.has_room:
            self._has_changed.clear()
            await self._has_changed.wait()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a job as undrawn while it is prepared for a slot, so that no more jobs are taken than fit."""
        self._undrawn += 1
        try:
            yield
        finally:
            self.uncount()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Slot]:
        """A slot, as soon as one is free. Jobs get slots in the order of their requests."""
        slot = Slot(self)
        self._undrawn += 1
        try:
            async with self._free:
                started_s = self._clock()
                yield slot
                if slot.is_nearly_drawn:
                    self._draw_s = self._clock() - started_s
        finally:
            slot.nearly_drawn()

    def uncount(self) -> None:
        """Count one undrawn job fewer."""
        self._undrawn -= 1
        self._has_changed.set()

    @property
    def _ahead(self) -> int:
        if self._draw_s is None:
            return 0
        return max(0, min(self._ahead_max, int(AHEAD_S * self._slots / max(self._draw_s, 0.001))))
