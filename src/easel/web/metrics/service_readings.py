"""Readings of the whole service, which the database knows: every web process shows the same.

They are at most LIFETIME_S old, so that scrapes cost the database little.
"""

from collections.abc import Sequence
from typing import Final

from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.live.instruments import Reading, gauge
from easel.store import overview, workers
from easel.store.database import Database, DatabaseUnavailable
from easel.web.shared_check import SharedCheck

LIFETIME_S: Final = 5.0


class ServiceReadings:
    """The queue, the workers, the callbacks and the credits of the service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found = SharedCheck(self._find, LIFETIME_S)

    async def __call__(self) -> Sequence[Reading]:
        """The readings. While the database is unavailable, only one, which says so."""
        return await self._found.found()

    async def _find(self) -> Sequence[Reading]:
        try:
            return [*await self._ask(), _is_up(1)]
        except DatabaseUnavailable:
            return [_is_up(0)]

    async def _ask(self) -> Sequence[Reading]:
        async with self._database.reading() as connection:
            queue = await overview.queue(connection)
            census = await workers.census(connection)
            delivered = await overview.callbacks_by_state(connection)
            held = await overview.held_credits(connection)
        per_credit = MICROCREDITS_PER_CREDIT
        return [
            gauge("easel_queue_tasks", "Tasks in the queue: waiting for a worker, or taken by one.",
                  (("waiting",), queue.waiting), (("taken",), queue.taken), labels=("state",)),
            gauge("easel_queue_oldest_waiting_seconds", "How long the first task in the queue has waited.",
                  ((), queue.oldest_waiting_s)),
            gauge("easel_workers", "Live workers: all, those with room for a task, and those whose engine is paused.",
                  (("live",), census.live), (("idle",), census.idle), (("paused",), census.paused), labels=("state",)),
            gauge("easel_callbacks", "Callbacks that are being delivered, and those of the last day that failed.",
                  *(((state,), count) for state, count in delivered.items()), labels=("state",)),
            gauge("easel_credits_reserved", "Credits that unfinished tasks hold.", ((), held.reserved / per_credit)),
            gauge("easel_credits_available", "Credits that accounts can still spend.",
                  ((), held.available / per_credit)),
        ]  # fmt: skip


def _is_up(value: int) -> Reading:
    return gauge("easel_database_up", "1 if the database answers, otherwise 0.", ((), value))
