"""Finish: a task ends with the result of its draw, either completed and charged or failed and refunded.

The picture is encoded, judged and stored on disk before the task is completed. Its name follows from the task's id, so
two workers that finish the same task write the same file. The first to end the task decides how it ends.

If the database is unavailable, raises DatabaseUnavailable without waiting, and the task is drawn again.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from easel.actions import settle
from easel.actions.draw import Drawn, DrawResult, Failed, HandedBack, Refused
from easel.actions.judgement import refusal_among
from easel.domain import link
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.domain.picture import CONTENT_TYPES, EXTENSIONS, object_name, object_names
from easel.domain.task import ENDS, ErrorCode, Status
from easel.engines import encoding
from easel.engines.provenance import Provenance, Recipe
from easel.live import measured, traces
from easel.live.judge import ClassifierHung, Judge
from easel.outside.judges.picture_file import PictureFile
from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.endings import Completion
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

_NOT_STORED: Final = "The picture could not be stored"


@dataclass(frozen=True, slots=True)
class FinishSettings:
    """`on_hung` is called when the classifier hangs, and ends the process. `on_callback` is called when a task with a
    callback has ended."""

    picture_name_secret: bytes
    easel_version: str
    recipe_in_pictures: bool
    on_hung: Callable[[], None]
    on_callback: Callable[[], None]
    engine: str = ""
    """The name of the worker's engine, for the metrics."""


class Finish:
    """Ends tasks after their draws."""

    def __init__(self, database: Database, pictures: Pictures, judge: Judge, settings: FinishSettings) -> None:
        self._database = database
        self._pictures = pictures
        self._judge = judge
        self._settings = settings
        self._completions = settle.Completions(database)

    async def __call__(self, task_id: str, result: DrawResult) -> bool:
        """End a task. Returns False if it had already ended; it then stays in the queue.

        Raises DatabaseUnavailable, and HandedBack if there is neither a picture nor an ended task.
        """
        if result is None:
            await self._discard_leftover(task_id)
            return False
        match result:
            case Drawn():
                has_ended = await self._complete(result)
            case Failed():
                has_ended = await self._fail(result)
            case Refused():
                has_ended = await self._refuse(result)
        if has_ended and result.task.callback_url is not None:
            self._settings.on_callback()
        return has_ended

    async def _complete(self, drawn: Drawn) -> bool:
        task = drawn.task
        with traces.span("encode"):
            content = await asyncio.to_thread(self._encoded, drawn)
        picture = PictureFile(content, CONTENT_TYPES[task.output_format])
        try:
            with traces.span("judge"):
                decisions = await self._judge.of_picture(task, picture)
        except ClassifierHung:
            log.critical("classifier_hung", task_id=task.id, request_id=task.request_id)
            self._settings.on_hung()
            raise
        refusal = await refusal_among(decisions, task, self._judge, self._database)
        if refusal is not None:
            return await self._refuse(Refused(task, refusal))
        name = self._picture_name(task)
        try:
            with traces.span("store", attributes={"easel.picture_bytes": len(content)}):
                await self._pictures.put(object_name(name), picture.content, picture.content_type)
        except StorageFailed as error:
            log.error("picture_store_failed", task_id=task.id, request_id=task.request_id, reason=str(error))
            return await self._fail(Failed(task, ErrorCode.SERVICE_ERROR, _NOT_STORED))
        completion = Completion(drawn.engine, drawn.draw_ms, name, len(picture.content), drawn.pixels.not_drawn)
        with traces.span("settle"):
            is_ended = await self._completions.complete(task.id, completion)
        if not is_ended:
            await self._discard_leftover(task.id)
            return False
        self._measure(drawn)
        log.info("task_completed", task_id=task.id, request_id=task.request_id, draw_ms=drawn.draw_ms)
        return True

    def _measure(self, drawn: Drawn) -> None:
        measured.ended(Status.COMPLETED, engine=drawn.engine)
        measured.STEPS.add(drawn.engine, amount=drawn.steps)
        measured.DRAWING_S.observe(drawn.draw_ms / 1000, drawn.engine)
        measured.CHARGED.add(amount=drawn.task.price_microcredits / MICROCREDITS_PER_CREDIT)
        now = self._database.known_now()
        if now is not None:
            measured.TASK_S.observe((now - drawn.task.created_at).total_seconds())

    def _encoded(self, drawn: Drawn) -> bytes:
        task, recipe = drawn.task, None
        if self._settings.recipe_in_pictures:
            recipe = Recipe(task.prompt, task.seed, task.width_px, task.height_px, drawn.steps)
        provenance = Provenance(self._settings.easel_version, drawn.model or task.model, drawn.engine, recipe)
        return encoding.encode(drawn.pixels, task.output_format, provenance)

    async def _fail(self, failed: Failed) -> bool:
        task = failed.task
        has_ended = await settle.fail(self._database, task.id, failed.code, failed.message)
        if has_ended:
            measured.ended(Status.FAILED, failed.code, self._settings.engine)
            log.info("task_failed", task_id=task.id, request_id=task.request_id, code=failed.code)
        with contextlib.suppress(DatabaseUnavailable):  # the task has already ended
            await self._discard_leftover(task.id)
        return has_ended

    async def _refuse(self, refused: Refused) -> bool:
        task, decision = refused.task, refused.decision
        judged = self._judge.judged(task.account_id, task.prompt, task.id)
        has_ended = await settle.refuse(self._database, task.id, judged, decision)
        if has_ended:
            measured.ended(Status.FAILED, decision.code, self._settings.engine)
            log.info("task_refused", task_id=task.id, request_id=task.request_id, stage=decision.stage,
                     outcome=decision.outcome, layer=decision.layer, reason=decision.reason)  # fmt: skip
        with contextlib.suppress(DatabaseUnavailable):  # the task has already ended
            await self._discard_leftover(task.id)
        return has_ended

    async def _discard_leftover(self, task_id: str) -> None:
        """Delete the stored picture of an ended task, unless the task shows it.

        This worker stored it, or another one that died before it noticed that the task had ended. Raises HandedBack if
        the task has not ended.
        """
        async with self._database.reading() as connection:
            found = await tasks.find_all(connection, [task_id])
        for task in found:
            if task.status not in ENDS:
                raise HandedBack
            if task.status is Status.COMPLETED and task.picture_withdrawn_at is None:
                continue
            try:
                await self._pictures.delete(*object_names(self._picture_name(task)))
            except StorageFailed as error:
                log.warning("picture_delete_failed", task_id=task_id, reason=str(error))

    def _picture_name(self, task: Task) -> str:
        return link.picture_name(task.id, self._settings.picture_name_secret, EXTENSIONS[task.output_format])
