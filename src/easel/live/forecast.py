"""Estimates when a task will end, from the duration of recent draws and the tasks ahead of it, and its place in line.

Measurements are kept for a second, so that a burst of requests queries the database once. An estimate is not a promise:
if the database does not answer in time, the last measurement is used, or a guess.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from easel.domain.errors import ServiceUnavailable
from easel.domain.task import Status, estimated_time_s
from easel.live.unbroken import unbroken
from easel.store import pace
from easel.store.database import Database, DatabaseUnavailable
from easel.store.pace import LINE_MAX, Pace
from easel.store.tasks import Task

MEASUREMENT_LIFETIME_S: Final = 1.0
DRAW_UNMEASURED_S: Final = 10.0
"""Assumed draw time before the first measurement, with an engine of which nothing else is known."""
RETRY_AFTER_BACKLOG_S: Final = 30
"""Longest Retry-After that is sent while the backlog is full."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What to expect for tasks submitted now: how long they will take, or why they cannot be accepted."""

    estimated_time_s: int
    refusal: ServiceUnavailable | None


class Forecast:
    """The latest measurements of one process."""

    def __init__(self, database: Database, backlog_max: int, draw_guesses_s: Mapping[str, float] | None = None) -> None:
        """`draw_guesses_s` says how long a draw may take with each engine, until one was measured."""
        self._database = database
        self._draw_guesses_s = draw_guesses_s or {}
        self._backlog_max = backlog_max
        self._pace = Pace(draw_s=None, workers=0, unfinished=0)
        self._line: Mapping[str, int] = {}
        self._line_position = 0
        """Position of the latest accepted task when the line was read."""
        self._accepted = 0
        """Tasks accepted by this process since the pace was measured."""
        self._submitted = 0
        """Tasks that this process is submitting now."""
        self._pace_at_s: float | None = None
        self._line_at_s: float | None = None
        self._measuring = asyncio.Lock()

    async def of_new_tasks(self, count: int) -> Prospect:
        """What to expect for tasks submitted now. The caller must enter `submitting` with them immediately.

        Tasks that other processes accepted during the last second are not counted.
        """
        pace = await self._current_pace()
        ahead = pace.unfinished + self._accepted + self._submitted
        excess = ahead + count - self._backlog_max
        if excess > 0:
            excess_s = estimated_time_s(self._draw_s(pace), excess, pace.workers)
            return Prospect(excess_s, ServiceUnavailable(min(excess_s, RETRY_AFTER_BACKLOG_S)))
        return Prospect(estimated_time_s(self._draw_s(pace), ahead, pace.workers), None)

    @contextmanager
    def submitting(self, count: int) -> Iterator[None]:
        """Count tasks as unfinished while they are being submitted. `note_accepted` keeps accepted ones counted."""
        self._submitted += count
        try:
            yield
        finally:
            self._submitted -= count

    def note_accepted(self, count: int) -> None:
        """Count accepted tasks as unfinished until the pace is measured again."""
        self._accepted += count

    async def of(self, task: Task) -> int:
        """Whole seconds until an unfinished task ends."""
        pace = await self._current_pace()
        if task.status is Status.PROCESSING:
            return estimated_time_s(self._draw_s(pace), 0, pace.workers, task.progress)
        return estimated_time_s(self._draw_s(pace), await self.place(task) - 1, pace.workers)

    async def place(self, task: Task) -> int:
        """A pending task's place in line: 1 is drawn next."""
        line = await self._line_since(time.monotonic() - MEASUREMENT_LIFETIME_S)
        if task.id not in line and task.position <= self._line_position and len(line) < LINE_MAX:
            # The task has begun, which the line does not show yet, or was accepted while the line was read. Reading the
            # line again shows which.
            return (await self._line_since(time.monotonic())).get(task.id, 1)
        return line.get(task.id, len(line) + 1)

    def _draw_s(self, pace: Pace) -> float:
        if pace.draw_s is not None:
            return pace.draw_s
        return max(
            (self._draw_guesses_s.get(engine, DRAW_UNMEASURED_S) for engine in pace.engines), default=DRAW_UNMEASURED_S
        )

    async def _current_pace(self) -> Pace:
        if _is_old(self._pace_at_s):
            await unbroken(self._measure_pace())
        return self._pace

    async def _measure_pace(self) -> None:
        async with self._measuring:
            if _is_old(self._pace_at_s):
                with contextlib.suppress(DatabaseUnavailable):
                    async with self._database.reading() as connection:
                        accepted = self._accepted
                        self._pace = await pace.measure(connection)
                        self._accepted -= accepted
                # Set after a failure too, so that waiting requests do not each try again.
                self._pace_at_s = time.monotonic()

    async def _line_since(self, moment_s: float) -> Mapping[str, int]:
        """The places of tasks by id, read no earlier than a moment of the monotonic clock."""
        if self._is_line_older_than(moment_s):
            await unbroken(self._read_line(moment_s))
        return self._line

    async def _read_line(self, moment_s: float) -> None:
        async with self._measuring:
            if self._is_line_older_than(moment_s):
                looked_at_s = time.monotonic()
                try:
                    line = await self._database.read(pace.line)
                    self._line = {task_id: place for place, task_id in enumerate(line.task_ids, start=1)}
                    self._line_position = line.last_position
                except DatabaseUnavailable:
                    looked_at_s = time.monotonic()  # so that waiting requests do not each try again
                self._line_at_s = looked_at_s

    def _is_line_older_than(self, moment_s: float) -> bool:
        return self._line_at_s is None or self._line_at_s < moment_s


def _is_old(measured_at_s: float | None) -> bool:
    return measured_at_s is None or time.monotonic() - measured_at_s > MEASUREMENT_LIFETIME_S
