"""Draw: a worker draws a queued task. The result is a picture, or the reason why there is none.

The engine draws in its own thread. `Finish` then ends the task. It needs no draw slot, so the next draw can start in
the meantime. Two workers may draw the same task, which is harmless: the seed is fixed when the task is accepted, so
both draw the same picture.

If the database is unavailable, raises DatabaseUnavailable without waiting, and the task is drawn again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from easel.actions.judgement import refusal_among
from easel.domain import fleet
from easel.domain.moderation.decision import Decision, Level
from easel.domain.task import ENDS, ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, Engine, OutOfMemory, Pixels
from easel.live import measured, traces
from easel.live.circuit_breaker import FAILURES_MAX, CircuitBreaker
from easel.live.draw_progress import DrawProgress, Stopped
from easel.live.draw_slots import Slot, Slots
from easel.live.engine_runner import DeviceLost, EngineRunner
from easel.live.judge import Judge
from easel.live.previews import Previews
from easel.live.task_watcher import TaskWatcher, Watch
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable, RelaxedDatabase
from easel.store.preview_notices import FILE_BYTES_MAX
from easel.store.queue import Claimed
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

UNBEGUN_S_MAX: Final = 0.5
"""A task that waited longer for its slot, after a worker took it, is begun by a statement of its own."""


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """`on_hung` is called when a step takes longer than `step_timeout_s`. It ends the process, because a thread that
    hangs in a driver cannot be ended alone. After `failures_max` failures in a row, the engine is paused."""

    draw_timeout_s: float
    step_timeout_s: float
    on_hung: Callable[[], None]
    failures_max: int = FAILURES_MAX


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn picture, what drew it, and in how many steps. `model` is None if the engine used the ordered model."""

    task: Task
    pixels: Pixels
    draw_ms: int
    steps: int
    engine: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A task whose picture could not be drawn or stored, and the error that its owner sees."""

    task: Task
    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A task that moderation refused."""

    task: Task
    decision: Decision


DrawResult = Drawn | Failed | Refused | None
"""None if the task had already ended, so that there was nothing to draw."""


class HandedBack(Exception):
    """This worker did not finish the task, and another worker must draw it."""


class Draw:
    """Draws tasks with one engine. The start and the progress of draws are written through `relaxed`."""

    def __init__(
        self,
        database: Database,
        relaxed: RelaxedDatabase,
        task_watcher: TaskWatcher,
        engine: Engine,
        judge: Judge,
        settings: DrawSettings,
    ) -> None:
        self._database = database
        self._relaxed = relaxed
        self._task_watcher = task_watcher
        self.engine = engine
        self._judge = judge
        self._settings = settings
        self._runner = EngineRunner(engine, settings.step_timeout_s, settings.on_hung, settings.failures_max)
        self.slots = Slots(engine.draws_at_once, engine.tasks_at_once)
        self.report_pause_s = fleet.REPORT_S_MIN
        """Least time between progress reports. A faster draw reports no progress."""
        self.leaving: set[asyncio.Task[None]] = set()
        """Cancelled watchers of finished draws. Each may still be in the middle of a statement."""
        self._is_stopping = False

    @property
    def tasks_at_once(self) -> int:
        """How many tasks may be in progress at a time, including those that are being finished."""
        return self.engine.tasks_at_once

    @property
    def draws_at_once(self) -> int:
        """How many tasks may be drawn at a time."""
        return self.engine.draws_at_once

    @property
    def begun_max(self) -> int:
        """How many more tasks would be drawn as soon as they are taken."""
        return 0 if self._judge.judges_before_drawing else self.slots.free

    @property
    def breaker(self) -> CircuitBreaker:
        """What counts the failures of the engine."""
        return self._runner.breaker

    @property
    def paused_because(self) -> str | None:
        """Why no tasks may be taken at present. None if they may."""
        return self._runner.breaker.reason

    @property
    def pause_s(self) -> float:
        """How long to wait until the paused engine is tried out."""
        return self._runner.breaker.pause_s

    async def try_out(self) -> None:
        """See whether the paused engine draws again. Raises DeviceLost."""
        await self._runner.try_out()

    async def load(self) -> None:
        """Load the engine and the picture classifier. Raises EngineUnusable, ClassifierUnusable."""
        started_s = time.monotonic()
        await asyncio.to_thread(self._judge.load)
        await self._runner.load()
        log.info("engine_loaded", engine=self.engine.name, seconds=round(time.monotonic() - started_s, 2))

    def stop(self) -> None:
        """Start no more draws. Running draws continue."""
        self._is_stopping = True
        self._runner.stop_trial()

    async def __call__(self, claimed: Claimed, slot: Slot) -> DrawResult:
        """Draw a task when a slot is free. `slot` is its place.

        Raises DatabaseUnavailable, DeviceLost, and HandedBack after `stop` and while the engine is paused. When
        cancelled, stops the draw after its current step.
        """
        task = claimed.task
        if task.status in ENDS:
            return None
        claimed_at_s = time.monotonic()
        refused = await self._refused_by_server(task)
        if refused is not None:
            return refused
        async with slot.drawing():
            if self._is_stopping or self.paused_because is not None:
                raise HandedBack
            if not claimed.is_begun and self._must_be_begun(claimed, time.monotonic() - claimed_at_s):
                async with self._relaxed.single_statement() as connection:
                    begun = await tasks.begin(connection, task.id)
                if begun is None:
                    return None
                task = begun
            refused = await self._refused_by_rules(task)
            if refused is not None:
                return refused
            self._measure_waiting(task)
            log.info("draw_started", task_id=task.id, request_id=task.request_id, engine=self.engine.name)
            return await self._draw(task, slot)

    def _measure_waiting(self, task: Task) -> None:
        now = self._database.known_now()
        if now is not None:
            waited_s = max(0.0, (now - task.created_at).total_seconds())
            measured.WAITING_S.observe(waited_s)
            traces.describe({"easel.waited_s": waited_s})

    def _must_be_begun(self, claimed: Claimed, waited_s: float) -> bool:
        """Whether to record that the drawing of a task begins that was taken ahead.

        Without the record, a death of this worker is not counted against the task. It costs a statement, which takes as
        long as a quick draw, so only a task that no worker had before goes without, once.
        """
        is_quick = self.slots.are_quick and not self._judge.judges_before_drawing and waited_s < UNBEGUN_S_MAX
        return claimed.was_taken or not is_quick

    async def _refused_by_server(self, task: Task) -> Refused | None:
        """Let the moderation server judge a prompt that it has not judged yet. Returns its refusal, if any."""
        if not self._judge.judges_before_drawing or task.is_prompt_judged:
            return None
        if self._is_stopping:
            raise HandedBack
        decisions = await self._judge.before_drawing(task)
        refusal = await refusal_among(decisions, task, self._judge, self._database)
        return None if refusal is None else Refused(task, refusal)

    async def _refused_by_rules(self, task: Task) -> Refused | None:
        """Apply the rules to a task that a version of Easel without them accepted. Returns their refusal, if any."""
        if task.is_judged_by_rules:
            return None
        level = Level.of(nsfw_check=task.nsfw_check)
        refusal = await asyncio.to_thread(self._judge.by_rules, task.prompt, level)
        return None if refusal is None else Refused(task, refusal)

    async def _draw(self, task: Task, slot: Slot) -> Drawn | Failed | None:
        with self._task_watcher.watch(task.id, task) as watch:
            progress = DrawProgress(asyncio.get_running_loop(), slot.nearly_drawn, self._previews(watch))
            watchers = [
                asyncio.create_task(self._report(task, progress)),
                asyncio.create_task(_stop_when_ended(watch, progress)),
                asyncio.create_task(_stop_when_late(self._settings.draw_timeout_s, progress)),
            ]
            try:
                drawing = Drawing(task.prompt, task.width_px, task.height_px, task.seed)
                with traces.span(
                    "draw", attributes={"easel.width_px": task.width_px, "easel.height_px": task.height_px}
                ):
                    pixels, draw_ms = await self._runner.draw(drawing, progress)
            except Stopped as stopped:
                return None if stopped.is_ended else Failed(task, ErrorCode.GENERATION_TIMEOUT, _TOO_LATE)
            except OutOfMemory:
                log.warning("draw_memory_exhausted", task_id=task.id, request_id=task.request_id)
                return Failed(task, ErrorCode.RESOURCE_EXHAUSTED, _OUT_OF_MEMORY)
            except DrawingFailed as failed:
                log.warning(
                    "draw_refused", task_id=task.id, request_id=task.request_id, code=failed.code, hint=failed.hint
                )
                return Failed(task, failed.code, failed.message)
            except DeviceLost:
                log.exception("draw_failed", task_id=task.id, request_id=task.request_id)
                raise
            except Exception:  # whatever an engine or a driver raises fails this task, not the worker
                log.exception("draw_failed", task_id=task.id, request_id=task.request_id)
                return Failed(task, ErrorCode.SERVICE_ERROR, _NOT_DRAWN)
            finally:
                progress.stop(is_ended=True)
                self._dismiss(watchers)
        if pixels.caption_tokens_cut:
            log.warning("caption_truncated", task_id=task.id, tokens=pixels.caption_tokens_cut)
        return Drawn(task, pixels, draw_ms, progress.steps_total, self.engine.name, self.engine.model)

    def _previews(self, watch: Watch) -> Previews | None:
        """The previews of a draw. None if pictures are judged, because nobody may see one before that."""
        if self._judge.judges_pictures:
            return None
        return Previews(lambda: watch.task is not None and watch.task.wants_previews, FILE_BYTES_MAX)

    def _dismiss(self, watchers: Sequence[asyncio.Task[None]]) -> None:
        """Cancel the watchers of a draw without waiting for them."""
        for watcher in watchers:
            watcher.cancel()
            self.leaving.add(watcher)
            watcher.add_done_callback(self.leaving.discard)

    async def _report(self, task: Task, progress: DrawProgress) -> None:
        """Save progress as steps complete. End the process if the engine shows no sign of life for too long."""
        reported = 0
        reported_at_s = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._settings.step_timeout_s):
                    await progress.sign_of_life()
            except TimeoutError:
                log.critical("draw_hung", task_id=task.id, step_timeout_s=self._settings.step_timeout_s)
                self._settings.on_hung()
                return
            if progress.steps_done == reported:
                continue
            await asyncio.sleep(reported_at_s + self.report_pause_s - time.monotonic())
            done, reported_at_s = progress.steps_done, time.monotonic()
            try:
                preview = None if progress.previews is None else await progress.previews.take()
                async with self._relaxed.single_statement() as connection:
                    if not await tasks.record_steps(connection, task.id, done, progress.steps_total, preview):
                        progress.stop(is_ended=True)
                reported = done
            except DatabaseUnavailable:
                log.warning("progress_not_saved", task_id=task.id)
            except Exception:  # this loop also detects hung draws, so it must continue
                log.exception("progress_report_failed", task_id=task.id)


_OUT_OF_MEMORY: Final = "The device has too little memory for this picture"
_TOO_LATE: Final = "The picture took too long to draw"
_NOT_DRAWN: Final = "The picture could not be drawn"


async def _stop_when_ended(watch: Watch, progress: DrawProgress) -> None:
    await watch.end()
    progress.stop(is_ended=True)


async def _stop_when_late(timeout_s: float, progress: DrawProgress) -> None:
    await asyncio.sleep(timeout_s)
    progress.stop(is_ended=False)
