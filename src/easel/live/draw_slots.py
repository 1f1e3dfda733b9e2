"""Draw slots. They tell a worker when to take another task, and how many.

A task that is taken early is drawn before any task accepted later, even if that is unfair. So a worker takes a task
only when a slot is free or the draw in it has reached its last step. If draws are faster than taking a task, it takes
as many as fit into AHEAD_S, so no task waits longer than that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

AHEAD_S: Final = 0.05


class Slot:
    """The place of one task, from the moment it is taken until it is released."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots
        self._is_undrawn = True
        self._needs_slot = True
        self._is_held = True

    @property
    def is_nearly_drawn(self) -> bool:
        """Whether the draw has reached its last step."""
        return not self._is_undrawn

    def nearly_drawn(self) -> None:
        """The draw has reached its last step: the worker may take the next task."""
        if self._is_undrawn:
            self._is_undrawn = False
            self._slots.change(undrawn=-1)

    @asynccontextmanager
    async def drawing(self) -> AsyncIterator[None]:
        """Draw, as soon as a slot is free. Tasks get slots in the order of their requests."""
        try:
            async with self._slots.one(self):
                yield
        finally:
            self._drawn()

    def _drawn(self) -> None:
        self.nearly_drawn()
        if self._needs_slot:
            self._needs_slot = False
            self._slots.change(needing=-1)

    def release(self) -> None:
        """The worker is done with the task."""
        self._drawn()
        if self._is_held:
            self._is_held = False
            self._slots.change(held=-1)


class Slots:
    """One slot for each draw that may run at once, and at most `tasks_max` tasks held. `clock` gives seconds."""

    def __init__(self, slots: int, tasks_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._tasks_max = tasks_max
        self._clock = clock
        self._free = asyncio.Semaphore(slots)
        self._undrawn = 0
        self._needing = 0
        self._held = 0
        self._draw_s: float | None = None
        """Duration of the latest draw that reached its last step. A draw that was stopped, or never began because its
        task had ended, does not show how long the next one takes."""
        self._has_changed = asyncio.Event()
        self._is_closed = False

    @property
    def free(self) -> int:
        """How many of the next tasks find a slot free."""
        return max(0, self._slots - self._needing)

    @property
    def room(self) -> int:
        """How many tasks should be taken now."""
        return max(0, min(self._slots + self._ahead - self._undrawn, self._tasks_max - self._held))

    @property
    def are_quick(self) -> bool:
        """Whether draws are so short that tasks are taken ahead."""
        return self._ahead > 0

    async def await_room(self) -> None:
        """Wait until another task should be taken, or the slots are closed."""
        while not self.room and not self._is_closed:
            self._has_changed.clear()
            await self._has_changed.wait()

    def close(self) -> None:
        """Let nobody wait for room any more."""
        self._is_closed = True
        self._has_changed.set()

    def reserve(self) -> Slot:
        """The place of a task that was taken. It has to be released."""
        self.change(undrawn=1, needing=1, held=1)
        return Slot(self)

    def change(self, undrawn: int = 0, needing: int = 0, held: int = 0) -> None:
        """Count more or fewer tasks that are not nearly drawn, that have or need a slot, and that the worker holds."""
        self._undrawn += undrawn
        self._needing += needing
        self._held += held
        self._has_changed.set()

    @asynccontextmanager
    async def one(self, slot: Slot) -> AsyncIterator[None]:
        """A free slot. Measures the draw in it."""
        async with self._free:
            started_s = self._clock()
            yield
            if slot.is_nearly_drawn:
                self._draw_s = self._clock() - started_s

    @property
    def _ahead(self) -> int:
        if self._draw_s is None:
            return 0
        most = self._tasks_max - self._slots
        return max(0, min(most, int(AHEAD_S * self._slots / max(self._draw_s, 0.001))))
