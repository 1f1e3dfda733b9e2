"""Reads tasks for many at once: who asks while a statement is under way is served together by the next one.

A statement costs the client many times what it costs the database, so that under load this is what reading costs.
Nobody is told of a moment before the asking: whoever asks gets what a statement finds that was sent after that.
"""

import asyncio
from typing import Final

from easel.store import tasks
from easel.store.database import Database, DatabaseFault, DatabaseUnavailable
from easel.store.tasks import Task

TOGETHER_MAX: Final = 200
"""Tasks that one statement reads."""


class TaskReader:
    """One process's reader."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted: dict[str, asyncio.Future[Task | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, account_id: int, task_id: str) -> Task | None:
        """An account's task; None also for another account's. Raises DatabaseUnavailable, DatabaseFault."""
        if task_id not in self._wanted:
            self._wanted[task_id] = asyncio.get_running_loop().create_future()
        wanted = self._wanted[task_id]
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # Shielded, since others may wait for the same one.
        task = await asyncio.shield(wanted)
        return task if task is not None and task.account_id == account_id else None

    async def _read(self) -> None:
        while self._wanted:
            together = {task_id: self._wanted.pop(task_id) for task_id in list(self._wanted)[:TOGETHER_MAX]}
            failure: DatabaseUnavailable | DatabaseFault = DatabaseUnavailable("the reading was broken off")
            found: dict[str, Task] | None = None
            try:
                async with self._database.reading() as connection:
                    found = {task.id: task for task in await tasks.find_all(connection, list(together))}
            except (DatabaseUnavailable, DatabaseFault) as error:
                failure = error
            finally:
                for task_id, future in together.items():
                    if found is not None:
                        future.set_result(found.get(task_id))
                    else:
                        future.set_exception(type(failure)(*failure.args))
                        future.exception()  # whoever waited for it alone may have left
