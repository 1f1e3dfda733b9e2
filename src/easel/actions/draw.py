"""Draw: a queued task becomes a stored picture, or fails with a reason; either way its money is settled.

The engine runs in a thread of its own, one draw at a time; encoding and storing overlap the next draw. The picture is
on disk before the task is completed. A task may be drawn twice, by two workers even: the seed is fixed when it is
accepted and the picture's name comes from its id, so both write the same file, and the first to settle decides.

It does not survive a database that is away: it raises DatabaseUnavailable and the job is tried again.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from easel.actions import settle
from easel.domain import link
from easel.domain.picture import CONTENT_TYPES, EXTENSIONS, object_name
from easel.domain.task import ErrorCode, Status, progress_percent
from easel.engines import encoding
from easel.engines.engine import Drawing, Engine, OutOfMemory, Pixels
from easel.engines.provenance import Provenance, Recipe
from easel.outside.pictures import Pictures, StorageFailed
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.tasks import Outcome, Task

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """What drawing needs to know besides its parts. `on_hung` is called when a step takes too long; it ends the
    process, since a thread that hangs in a driver cannot be ended alone."""

    picture_name_secret: bytes
    easel_version: str
    recipe_in_pictures: bool
    step_timeout_s: float
    on_hung: Callable[[], None]


class NotBegun(Exception):
    """The process is stopping, and this task was not begun: it is for another worker."""


class Draw:
    """Draws tasks with one engine."""

    def __init__(self, database: Database, pictures: Pictures, engine: Engine, settings: DrawSettings) -> None:
        self._database = database
        self._pictures = pictures
        self._engine = engine
        self._settings = settings
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="draw")
        self._turn = asyncio.Lock()
        self._is_stopping = False

    @property
    def jobs_at_once(self) -> int:
        """How many tasks may be given to this at a time."""
        return self._engine.jobs_at_once

    async def load(self) -> None:
        """Load the engine. Raises EngineUnusable."""
        started_s = time.monotonic()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.load)
        log.info("engine_loaded", engine=self._engine.name, seconds=round(time.monotonic() - started_s, 2))

    def stop(self) -> None:
        """Begin no more draws; the one under way goes on."""
        self._is_stopping = True

    async def __call__(self, task_id: str) -> None:
        """Draw a task to its end; nothing if it has ended already.

        Raises DatabaseUnavailable, and NotBegun after `stop`; on cancellation stops the draw after its current step.
        """
        async with self._turn:
            if self._is_stopping:
                raise NotBegun
            async with self._database.transaction() as connection:
                task = await tasks.begin(connection, task_id)
            if task is None:
                return
            log.info("draw_started", task_id=task.id, request_id=task.request_id, engine=self._engine.name)
            drawn = await self._draw_or_fail(task)
        if drawn is not None:
            await self._finish_or_fail(task, drawn)

    async def _draw_or_fail(self, task: Task) -> "_Drawn | None":
        try:
            return await self._draw(task)
        except OutOfMemory:
            log.warning("draw_out_of_memory", task_id=task.id, request_id=task.request_id)
            await self._fail(task, ErrorCode.RESOURCE_EXHAUSTED, "The device has too little memory for this picture")
        except DatabaseUnavailable:
            raise
        except Exception:  # whatever an engine or a driver raises fails this task, not the worker
            log.exception("draw_failed", task_id=task.id, request_id=task.request_id)
            await self._fail(task, ErrorCode.SERVICE_ERROR, "The picture could not be drawn")
        return None

    async def _draw(self, task: Task) -> "_Drawn":
        steps = _Steps(asyncio.get_running_loop())
        drawing = Drawing(task.prompt, task.width_px, task.height_px, task.seed)
        reporter = asyncio.create_task(self._report(task, steps))
        try:
            pixels, draw_ms = await asyncio.get_running_loop().run_in_executor(
                self._thread, _timed_draw, self._engine, drawing, steps
            )
        finally:
            steps.stop()
            reporter.cancel()
        if pixels.caption_tokens_cut:
            log.warning("caption_cut", task_id=task.id, tokens=pixels.caption_tokens_cut)
        return _Drawn(pixels, draw_ms, steps.total)

    async def _report(self, task: Task, steps: "_Steps") -> None:
        """Write progress as steps are done; end the process when they stop coming."""
        while True:
            try:
                async with asyncio.timeout(self._settings.step_timeout_s):
                    await steps.next()
            except TimeoutError:
                log.critical("draw_hung", task_id=task.id, step_timeout_s=self._settings.step_timeout_s)
                self._settings.on_hung()
                return
            try:
                async with self._database.transaction() as connection:
                    await tasks.report_progress(connection, task.id, progress_percent(steps.done, steps.total))
            except DatabaseUnavailable:
                log.warning("progress_unwritten", task_id=task.id)
            except Exception:  # the watch over hung draws must go on, whatever it is
                log.exception("progress_fault", task_id=task.id)

    async def _finish_or_fail(self, task: Task, drawn: "_Drawn") -> None:
        try:
            await self._finish(task, drawn)
        except StorageFailed as error:
            log.error("picture_unstored", task_id=task.id, request_id=task.request_id, reason=str(error))
            await self._fail(task, ErrorCode.SERVICE_ERROR, "The picture could not be stored")

    async def _finish(self, task: Task, drawn: "_Drawn") -> None:
        picture = await asyncio.to_thread(self._encode, task, drawn)
        name = link.picture_name(task.id, self._settings.picture_name_secret, EXTENSIONS[task.output_format])
        await self._pictures.put(object_name(name), picture, CONTENT_TYPES[task.output_format])
        ended_at = datetime.now(UTC)
        outcome = Outcome(
            engine=self._engine.name,
            draw_ms=drawn.draw_ms,
            picture_name=name,
            picture_bytes=len(picture),
            ended_at=ended_at,
            link_expires_at=link.expires_at(ended_at),
        )
        if await settle.complete(self._database, task.id, outcome):
            log.info("task_completed", task_id=task.id, request_id=task.request_id, draw_ms=drawn.draw_ms)
        else:
            await self._discard_unless_completed(task, name)

    def _encode(self, task: Task, drawn: "_Drawn") -> bytes:
        recipe = None
        if self._settings.recipe_in_pictures:
            recipe = Recipe(task.prompt, task.seed, task.width_px, task.height_px, drawn.steps)
        provenance = Provenance(self._settings.easel_version, task.model, self._engine.name, recipe)
        return encoding.encode(drawn.pixels, task.output_format, provenance)

    async def _discard_unless_completed(self, task: Task, name: str) -> None:
        """A picture whose task failed meanwhile must not stay; one that another worker completed must."""
        async with self._database.transaction() as connection:
            current = await tasks.find(connection, task.account_id, task.id)
        if current is None or current.status is not Status.COMPLETED:
            await self._pictures.delete(object_name(name))

    async def _fail(self, task: Task, code: ErrorCode, message: str) -> None:
        if await settle.fail(self._database, task.id, code, message):
            log.info("task_failed", task_id=task.id, request_id=task.request_id, code=code)


@dataclass(frozen=True, slots=True)
class _Drawn:
    pixels: Pixels
    draw_ms: int
    steps: int


class _Stopped(Exception):
    """Raised in the drawing thread, between two steps, when nobody waits for the picture any more."""


class _Steps:
    """Steps counted in the drawing thread, awaited in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done = 0
        self.total = 1
        self._loop = loop
        self._changed = asyncio.Event()
        self._is_stopped = False

    def on_step(self, steps_done: int, steps_total: int) -> None:
        self.done, self.total = steps_done, steps_total
        if self._is_stopped:
            raise _Stopped
        self._loop.call_soon_threadsafe(self._changed.set)

    async def next(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    def stop(self) -> None:
        self._is_stopped = True


def _timed_draw(engine: Engine, drawing: Drawing, steps: _Steps) -> tuple[Pixels, int]:
    started_s = time.monotonic()
    pixels = engine.draw(drawing, steps.on_step)
    return pixels, round((time.monotonic() - started_s) * 1000)
