"""Draw: a queued task becomes a stored picture, or fails with a reason; either way its money is settled.

The engine runs in a thread of its own, one draw at a time; encoding and storing overlap the next draw. The picture is
on disk before the task is completed. A task may be drawn twice, by two workers even: the seed is fixed when it is
accepted and the picture's name comes from its id, so both write the same file, and the first to settle decides.

It does not survive a database that is away: it raises DatabaseUnavailable and the job is tried again.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from easel.actions import settle
from easel.domain import link
from easel.domain.moderation.decision import Decision, Level
from easel.domain.picture import CONTENT_TYPES, EXTENSIONS, object_name
from easel.domain.task import ENDS, ErrorCode, Status
from easel.engines import encoding
from easel.engines.engine import Drawing, DrawingFailed, Engine, OutOfMemory, Pixels
from easel.engines.provenance import Provenance, Recipe
from easel.live.draw_progress import Steps, Stopped
from easel.live.draw_slots import Place, Places
from easel.live.judge import ClassifierHung, Judge
from easel.live.task_watcher import TaskWatcher, Watch
from easel.outside.judges.endpoint import PictureFile
from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.store import moderation_log, tasks
from easel.store.database import Database, DatabaseUnavailable, Notes
from easel.store.endings import Completion
from easel.store.moderation_log import Judged
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

REPORT_EVERY_S: Final = 0.05
"""Steps that follow one another faster are reported together; a draw that is faster is not reported on at all."""


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """What drawing needs to know besides its parts. `on_hung` is called when a step takes too long; it ends the
    process, since a thread that hangs in a driver cannot be ended alone. `on_callback` is called when a task has ended
    that somebody wants to be told of."""

    picture_name_secret: bytes
    easel_version: str
    recipe_in_pictures: bool
    draw_timeout_s: float
    step_timeout_s: float
    on_hung: Callable[[], None]
    on_callback: Callable[[], None]


class NotBegun(Exception):
    """This task was not begun, or all for nothing: it is for another worker."""


class Draw:
    """Draws tasks with one engine. `notes` is where a draw's beginning and progress are written."""

    def __init__(
        self,
        database: Database,
        notes: Notes,
        task_watcher: TaskWatcher,
        pictures: Pictures,
        engine: Engine,
        judge: Judge,
        settings: DrawSettings,
    ) -> None:
        self._database = database
        self._notes = notes
        self._task_watcher = task_watcher
        self._pictures = pictures
        self._engine = engine
        self._judge = judge
        self._settings = settings
        self._threads = ThreadPoolExecutor(max_workers=engine.draws_at_once, thread_name_prefix="draw")
        self._places = Places(engine.draws_at_once, engine.jobs_at_once)
        self.leaving: set[asyncio.Task[None]] = set()
        """What watched draws that are over, and may still be in the middle of a statement."""
        self._is_stopping = False

    @property
    def jobs_at_once(self) -> int:
        """How many tasks may be given to this at a time."""
        return self._engine.jobs_at_once

    async def room(self) -> None:
        """Wait until another task would be drawn at once, or nearly so."""
        await self._places.room()

    async def load(self) -> None:
        """Load the engine, and what judges its pictures. Raises EngineUnusable, ClassifierUnusable."""
        started_s = time.monotonic()
        await asyncio.to_thread(self._judge.load)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.load)
        log.info("engine_loaded", engine=self._engine.name, seconds=round(time.monotonic() - started_s, 2))

    def stop(self) -> None:
        """Begin no more draws; the one under way goes on."""
        self._is_stopping = True

    async def __call__(self, task_id: str, job_id: int) -> bool:
        """Draw a task to its end; nothing if it has ended already. True when its job has ended with it.

        Raises DatabaseUnavailable, and NotBegun after `stop`; on cancellation stops the draw after its current step.
        """
        if self._judge.judges_before_drawing:
            with self._places.counted():
                refused = await self._refused_prompt(task_id)
            if refused is not None:
                judged, decision = refused
                return self._told(judged, has_ended=await self._refuse(judged, decision, job_id))
        async with self._places.one() as place:
            if self._is_stopping:
                raise NotBegun
            async with self._notes.noting() as connection:
                task = await tasks.begin(connection, task_id)
            refusal = None if task is None else await self._refused_by_rules(task)
            if task is not None and refusal is None:
                log.info("draw_started", task_id=task.id, request_id=task.request_id, engine=self._engine.name)
                end = await self._draw(task, place)
        if task is not None and refusal is not None:
            return self._told(task, has_ended=await self._refuse(task, refusal, job_id))
        if task is not None and end is None:
            await self._make_sure_of_end(task)
        if task is None or end is None:
            await self._discard_leftover(task_id)
            return False
        has_ended = await (
            self._fail(task, end, job_id) if isinstance(end, _Failed) else self._finish(task, end, job_id)
        )
        return self._told(task, has_ended=has_ended)

    def _told(self, task: Task, *, has_ended: bool) -> bool:
        if has_ended and task.callback_url is not None:
            self._settings.on_callback()
        return has_ended

    async def _refused_by_rules(self, task: Task) -> Decision | None:
        """Why the rules refuse a task that a process of a version without them accepted, if they do."""
        if task.is_judged_by_rules:
            return None
        level = Level.of(nsfw_check=task.nsfw_check)
        return await asyncio.to_thread(self._judge.by_rules, task.prompt, level)

    async def _refused_prompt(self, task_id: str) -> tuple[Task, Decision] | None:
        """The task and why its prompt is refused, if it is and the task has not ended meanwhile."""
        async with self._database.reading() as connection:
            found = await tasks.find_all(connection, [task_id])
        if self._is_stopping:
            raise NotBegun
        if not found or found[0].status in ENDS or found[0].is_prompt_judged:
            return None
        decision = await self._ending(found[0], await self._judge.before_drawing(found[0]))
        return None if decision is None else (found[0], decision)

    async def _ending(self, task: Task, decisions: Sequence[Decision]) -> Decision | None:
        """The decision that ends the task; others are written down."""
        for decision in decisions:
            if decision.ends_task:
                return decision
            log.warning("moderation_waved_through", task_id=task.id, stage=decision.stage, reason=decision.reason)
            async with self._database.transaction() as connection:
                await moderation_log.add(connection, self._judged(task), decision)
        return None

    def _judged(self, task: Task) -> Judged:
        return self._judge.judged(task.account_id, task.prompt, task.id)

    async def _refuse(self, task: Task, decision: Decision, job_id: int) -> bool:
        has_ended = await settle.refuse(self._database, task.id, self._judged(task), decision, job_id)
        if has_ended:
            log.info("task_refused", task_id=task.id, request_id=task.request_id, stage=decision.stage,
                     outcome=decision.outcome, layer=decision.layer, reason=decision.reason)  # fmt: skip
        with contextlib.suppress(DatabaseUnavailable):  # the task has ended, and its job with it
            await self._discard_leftover(task.id)
        return has_ended

    async def _draw(self, task: Task, place: Place) -> "_Drawn | _Failed | None":
        """The drawn picture, or why it failed; None when the task has ended meanwhile."""
        steps = Steps(asyncio.get_running_loop(), place.nearly_drawn)
        drawing = Drawing(task.prompt, task.width_px, task.height_px, task.seed)
        with self._task_watcher.watch(task.id, task) as watch:
            watching = [
                asyncio.create_task(self._report(task, steps)),
                asyncio.create_task(_stop_when_ended(watch, steps)),
                asyncio.create_task(_stop_when_late(self._settings.draw_timeout_s, steps)),
            ]
            try:
                drawn = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _timed_draw, self._engine, drawing, steps
                )
            except Stopped as stopped:
                return None if stopped.is_ended else _TOO_LATE
            except OutOfMemory:
                log.warning("draw_memory_exhausted", task_id=task.id, request_id=task.request_id)
                return _OUT_OF_MEMORY
            except DrawingFailed as failed:
                log.warning("draw_refused", task_id=task.id, request_id=task.request_id, code=failed.code)
                return _Failed(failed.code, failed.message)
            except Exception:  # whatever an engine or a driver raises fails this task, not the worker
                log.exception("draw_failed", task_id=task.id, request_id=task.request_id)
                return _Failed(ErrorCode.SERVICE_ERROR, "The picture could not be drawn")
            finally:
                steps.stop(is_ended=True)
                self._let_go(watching)
        if drawn.pixels.caption_tokens_cut:
            log.warning("caption_truncated", task_id=task.id, tokens=drawn.pixels.caption_tokens_cut)
        return drawn

    def _let_go(self, watching: Sequence[asyncio.Task[None]]) -> None:
        """End the watchers of a draw, without waiting for them."""
        for watcher in watching:
            watcher.cancel()
            self.leaving.add(watcher)
            watcher.add_done_callback(self.leaving.discard)

    async def _report(self, task: Task, steps: Steps) -> None:
        """Write progress as steps are done; end the process when no sign of life comes any more."""
        reported = 0
        reported_at_s = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._settings.step_timeout_s):
                    await steps.sign_of_life()
            except TimeoutError:
                log.critical("draw_hung", task_id=task.id, step_timeout_s=self._settings.step_timeout_s)
                self._settings.on_hung()
                return
            if steps.done == reported:
                continue
            await asyncio.sleep(reported_at_s + REPORT_EVERY_S - time.monotonic())
            done, reported_at_s = steps.done, time.monotonic()
            try:
                async with self._notes.noting() as connection:
                    if not await tasks.record_steps(connection, task.id, done, steps.total):
                        steps.stop(is_ended=True)
                reported = done
            except DatabaseUnavailable:
                log.warning("progress_not_saved", task_id=task.id)
            except Exception:  # the watch over hung draws must go on, whatever it is
                log.exception("progress_report_failed", task_id=task.id)

    async def _finish(self, task: Task, drawn: "_Drawn", job_id: int) -> bool:
        try:
            return await self._store(task, drawn, job_id)
        except StorageFailed as error:
            log.error("picture_store_failed", task_id=task.id, request_id=task.request_id, reason=str(error))
            return await self._fail(task, _UNSTORED, job_id)

    async def _store(self, task: Task, drawn: "_Drawn", job_id: int) -> bool:
        picture = await asyncio.to_thread(self._encode, task, drawn)
        content_type = CONTENT_TYPES[task.output_format]
        try:
            decisions = await self._judge.of_picture(task, PictureFile(picture, content_type))
        except ClassifierHung:
            log.critical("classifier_hung", task_id=task.id, request_id=task.request_id)
            self._settings.on_hung()
            raise
        refusal = await self._ending(task, decisions)
        if refusal is not None:
            return await self._refuse(task, refusal, job_id)
        name = self._picture_name(task)
        await self._pictures.put(object_name(name), picture, content_type)
        outcome = Completion(
            engine=self._engine.name,
            draw_ms=drawn.draw_ms,
            picture_name=name,
            picture_bytes=len(picture),
        )
        if not await settle.complete(self._database, task.id, outcome, job_id):
            await self._discard_unless_shown(await self._make_sure_of_end(task))
            return False
        log.info("task_completed", task_id=task.id, request_id=task.request_id, draw_ms=drawn.draw_ms)
        return True

    def _picture_name(self, task: Task) -> str:
        return link.picture_name(task.id, self._settings.picture_name_secret, EXTENSIONS[task.output_format])

    async def _discard_unless_shown(self, task: Task) -> None:
        """A picture whose task failed meanwhile, or was erased, must not stay; one that another worker completed must."""
        if task.status is not Status.COMPLETED or task.picture_withdrawn_at is not None:
            await self._pictures.delete(object_name(self._picture_name(task)))

    async def _discard_leftover(self, task_id: str) -> None:
        """A worker may have stored the picture of a task that has ended without it, and have died before it saw that."""
        async with self._database.reading() as connection:
            ended = await tasks.find_all(connection, [task_id])
        for task in ended:
            try:
                await self._discard_unless_shown(task)
            except StorageFailed as error:
                log.warning("picture_delete_failed", task_id=task_id, reason=str(error))

    def _encode(self, task: Task, drawn: "_Drawn") -> bytes:
        recipe = None
        if self._settings.recipe_in_pictures:
            recipe = Recipe(task.prompt, task.seed, task.width_px, task.height_px, drawn.steps)
        provenance = Provenance(
            self._settings.easel_version, self._engine.model or task.model, self._engine.name, recipe
        )
        return encoding.encode(drawn.pixels, task.output_format, provenance)

    async def _make_sure_of_end(self, task: Task) -> Task:
        """The task, which somebody else has ended. Its job will be taken off the queue, so it had better have."""
        async with self._database.reading() as connection:
            current = await tasks.find(connection, task.account_id, task.id)
        if current is None or current.status not in ENDS:
            raise NotBegun
        return current

    async def _fail(self, task: Task, failed: "_Failed", job_id: int) -> bool:
        is_failed = await settle.fail(self._database, task.id, failed.code, failed.message, job_id)
        if is_failed:
            log.info("task_failed", task_id=task.id, request_id=task.request_id, code=failed.code)
        with contextlib.suppress(DatabaseUnavailable):  # the task has ended, and its job with it
            await self._discard_leftover(task.id)
        return is_failed


@dataclass(frozen=True, slots=True)
class _Drawn:
    pixels: Pixels
    draw_ms: int
    steps: int


@dataclass(frozen=True, slots=True)
class _Failed:
    code: ErrorCode
    message: str


_OUT_OF_MEMORY: Final = _Failed(ErrorCode.RESOURCE_EXHAUSTED, "The device has too little memory for this picture")
_TOO_LATE: Final = _Failed(ErrorCode.GENERATION_TIMEOUT, "The picture took too long to draw")
_UNSTORED: Final = _Failed(ErrorCode.SERVICE_ERROR, "The picture could not be stored")


async def _stop_when_ended(watch: Watch, steps: Steps) -> None:
    await watch.end()
    steps.stop(is_ended=True)


async def _stop_when_late(timeout_s: float, steps: Steps) -> None:
    await asyncio.sleep(timeout_s)
    steps.stop(is_ended=False)


def _timed_draw(engine: Engine, drawing: Drawing, steps: Steps) -> _Drawn:
    started_s = time.monotonic()
    pixels = engine.draw(drawing, steps.on_step)
    return _Drawn(pixels, round((time.monotonic() - started_s) * 1000), steps.total)
