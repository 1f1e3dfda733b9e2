"""Settle: a task ends, and its hold is captured or released, in one transaction.

The first attempt to end a task decides. A later one changes nothing and returns False. Listeners are notified after the
commit, and a notification may be lost if the process dies before it is sent.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

from easel.domain.moderation.decision import Decision
from easel.domain.task import ErrorCode
from easel.live.batched_writer import BatchedWriter
from easel.store import endings, moderation_log
from easel.store.database import Database, Writer
from easel.store.endings import Completion
from easel.store.moderation_log import Judged
from easel.store.notifications import Channel

STATEMENTS_AT_ONCE: Final = 2
"""How many statements of one process complete tasks at a time: one waits for the disk while the next is prepared."""


class Completions:
    """Completes tasks of one process. Those that are ready while others are being completed share a statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = BatchedWriter(database.single_statement, _complete_all, STATEMENTS_AT_ONCE)

    async def complete(self, task_id: str, outcome: Completion) -> bool:
        """Complete a task and charge for it. Returns False if it had already ended.

        The picture must be stored before.
        """
        is_ended = await self._writer.write((task_id, outcome))
        if is_ended:
            notify_waiting(self._database, task_id)
        return is_ended


async def complete(database: Database, task_id: str, outcome: Completion) -> bool:
    """Like `Completions.complete`, for one task in a statement of its own."""
    return await Completions(database).complete(task_id, outcome)


async def _complete_all(connection: Writer, completions: Sequence[tuple[str, Completion]]) -> list[bool]:
    if len(completions) == 1:
        return [await endings.complete(connection, *completions[0])]
    ended = await endings.complete_all(connection, dict(completions))
    outcomes = []
    for task_id, _ in completions:
        outcomes.append(task_id in ended)
        ended.discard(task_id)  # of two completions of one task, the first counts
    return outcomes


async def fail(database: Database, task_id: str, code: ErrorCode, message: str) -> bool:
    """Fail a task and release its hold. Returns False if it had already ended."""
    async with database.single_statement() as connection:
        is_ended = await endings.fail(connection, task_id, code, message)
    if is_ended:
        notify_waiting(database, task_id)
    return is_ended


async def refuse(database: Database, task_id: str, judged: Judged, decision: Decision) -> bool:
    """Fail a task because of a moderation decision, and record the decision. Returns False if it had already ended."""
    async with database.transaction() as connection:
        is_ended = await endings.fail(connection, task_id, decision.code, decision.message)
        if is_ended:
            await moderation_log.add(connection, judged, decision)
    if is_ended:
        notify_waiting(database, task_id)
    return is_ended


def notify_waiting(database: Database, task_id: str) -> None:
    """Notify requests that wait for a task. Without this they see its end a little later."""
    _notify(database, [task_id], [Channel.CHANGES])


def notify_all(database: Database, *task_ids: str) -> None:
    """Notify waiting requests and workers. A worker may be drawing the task, or may have to deliver its callback."""
    _notify(database, task_ids, [Channel.CHANGES, Channel.WORKERS])


def notify_workers(database: Database, task_id: str) -> None:
    """Notify the workers that there is a callback to deliver."""
    _notify(database, [task_id], [Channel.WORKERS])


def announce_work(database: Database) -> None:
    """Notify idle workers that a task waits to be drawn. Without this one of them takes it a little later."""
    _notify(database, [""], [Channel.WORK])


def announce_beginning(database: Database, task_id: str) -> None:
    """Notify requests that wait for a task that its drawing has begun. A quick end makes this superfluous."""
    database.announcer.announce_later((Channel.CHANGES.value, task_id))


def _notify(database: Database, task_ids: Iterable[str], channels: Iterable[Channel]) -> None:
    for channel, task_id in itertools.product(channels, task_ids):
        database.announcer.announce((channel.value, task_id))
