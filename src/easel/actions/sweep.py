"""Sweep: ends tasks that waited too long and removes expired data, a bounded number at a time.

Any number of processes may run it. One of them sweeps, and the others return immediately. After a crash, the next
sweep does the rest.
"""

import asyncio
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from easel.actions import settle
from easel.domain.picture import object_names
from easel.domain.task import ErrorCode, Status
from easel.live import measured
from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.store import clock_steps, console_sessions, endings, locks, moderation_log, retention, task_traces
from easel.store.database import Database, DatabaseUnavailable
from easel.store.locks import Lock

log = structlog.get_logger(__name__)

SWEEP_EVERY_S: Final = 5.0
BATCH_MAX: Final = 200
"""Rows that one transaction changes. The next sweep takes more."""
STORAGE_FAILURES_MAX: Final = 3
"""This many failures in one sweep mean that storage itself is failing, not just one picture."""
_TIMEOUT_MESSAGE: Final = "The task waited too long to be drawn"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long data is kept, and how long a task may wait. None: without limit."""

    queue_timeout_s: int
    picture_h: int | None
    prompt_h: int | None
    idempotency_h: int
    moderation_h: int | None


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items of each kind the sweep handled."""

    timed_out: int = 0
    pictures: int = 0
    prompts: int = 0
    idempotency_keys: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to do."""
        return self == Swept()

    @property
    def has_full_batch(self) -> bool:
        """Whether there is probably more to do."""
        return max(self.timed_out, self.pictures, self.prompts, self.idempotency_keys) >= BATCH_MAX


class Sweep:
    """One process's sweeper."""

    def __init__(self, database: Database, pictures: Pictures, lifetimes: Lifetimes) -> None:
        self._database = database
        self._pictures = pictures
        self._lifetimes = lifetimes

    async def run(self) -> None:
        """Sweep every few seconds until cancelled, and immediately again after a full batch."""
        pause_s = SWEEP_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = SWEEP_EVERY_S
            try:
                swept = await self()
                if not swept.is_nothing:
                    log.info("sweep_completed", **asdict(swept))
                if swept.has_full_batch:
                    pause_s = 0.0
            except DatabaseUnavailable:
                continue
            except Exception:  # the outermost loop: the next sweep tries again
                log.exception("sweep_failed")

    async def __call__(self) -> Swept:
        """One sweep. Raises DatabaseUnavailable."""
        timed_out = await self._end_what_waited()
        prompts, idempotency_keys = await self._withdraw()
        return Swept(timed_out, await self._delete_withdrawn(), prompts, idempotency_keys)

    async def _end_what_waited(self) -> int:
        async with self._database.reading() as connection:
            waited = await retention.waited_too_long(connection, self._lifetimes.queue_timeout_s, BATCH_MAX)
        ended = []
        for task_id in waited:
            # Each task has its own transaction: one that locks the rows of many keys and accounts could deadlock with
            # those that lock a key and then its account.
            async with self._database.transaction() as connection:
                if not await locks.try_in_transaction(connection, Lock.SWEEP):
                    break
                code = ErrorCode.GENERATION_TIMEOUT
                is_ended = await endings.fail_unheld(connection, task_id, code, _TIMEOUT_MESSAGE)
            if is_ended:
                ended.append(task_id)
                measured.ended(Status.FAILED, code)
        settle.notify_all(self._database, *ended)
        return len(ended)

    async def _withdraw(self) -> tuple[int, int]:
        kept = self._lifetimes
        prompts = 0
        async with self._database.transaction() as connection:
            if not await locks.try_in_transaction(connection, Lock.SWEEP):
                return 0, 0
            await clock_steps.correct(connection, BATCH_MAX)
            if kept.picture_h is not None:
                await retention.withdraw_old_pictures(connection, kept.picture_h, BATCH_MAX)
            if kept.prompt_h is not None:
                prompts = await retention.erase_old_prompts(connection, kept.prompt_h, BATCH_MAX)
            await retention.delete_erased_callbacks(connection, BATCH_MAX)
            await console_sessions.delete_expired(connection, BATCH_MAX)
            await task_traces.delete_old(connection, BATCH_MAX)
            if kept.moderation_h is not None:
                await moderation_log.delete_old(connection, kept.moderation_h, BATCH_MAX)
            return prompts, await retention.delete_old_idempotency_keys(connection, kept.idempotency_h, BATCH_MAX)

    async def _delete_withdrawn(self) -> int:
        """Delete pictures that are no longer shown. Two processes may delete the same picture, which is harmless."""
        async with self._database.reading() as connection:
            withdrawn = await retention.withdrawn(connection, BATCH_MAX)
        gone: list[str] = []
        failures = 0
        for picture in withdrawn:
            try:
                await self._pictures.delete(*object_names(picture.picture_name))
                gone.append(picture.task_id)
            except StorageFailed as error:
                log.warning("picture_delete_failed", task_id=picture.task_id, reason=str(error))
                failures += 1
                if failures == STORAGE_FAILURES_MAX:
                    break
        if gone:
            async with self._database.transaction() as connection:
                await retention.record_gone(connection, gone)
        return len(gone)
