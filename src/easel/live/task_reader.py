"""Reads tasks, those that many ask for at once together."""

from collections.abc import Mapping, Sequence

from easel.live.batched_reader import BatchedReader
from easel.store import tasks
from easel.store.database import Database, Reader
from easel.store.tasks import Task


class TaskReader:
    """One process's reader."""

    def __init__(self, database: Database) -> None:
        self._together = BatchedReader(database, _read)

    async def find(self, account_id: int, task_id: str) -> Task | None:
        """An account's task; None also for another account's. Raises DatabaseUnavailable, DatabaseFault."""
        task = await self._together.find(task_id)
        return task if task is not None and task.account_id == account_id else None


async def _read(connection: Reader, task_ids: Sequence[str]) -> Mapping[str, Task]:
    return {task.id: task for task in await tasks.find_all(connection, task_ids)}
