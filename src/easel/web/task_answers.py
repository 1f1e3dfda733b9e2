"""A task as an answer: with a link that lives and an estimate, now or when it has ended."""

from typing import Any, Final

from easel.actions import renew_link
from easel.domain.api_key import Holder
from easel.domain.errors import InvalidTaskId, TaskNotFound
from easel.domain.link import LinkKeys
from easel.domain.task import ENDS, has_id_prefix, is_id
from easel.live.forecast import Forecast
from easel.live.key_watch import KeyWatch
from easel.live.task_reader import TaskReader
from easel.live.task_watcher import TaskWatcher
from easel.store.database import Database
from easel.store.tasks import Task
from easel.web import wire

PERMIT_TIMEOUT_S: Final = 3.0
"""How long it is tried to find out whether the key of whoever waited is still good."""


class TaskAnswers:
    """Finds tasks, waits for them, and words them."""

    def __init__(
        self,
        database: Database,
        reader: TaskReader,
        task_watcher: TaskWatcher,
        key_watch: KeyWatch,
        forecast: Forecast,
        link_keys: LinkKeys,
    ) -> None:
        self.database = database
        self._reader = reader
        self.task_watcher = task_watcher
        self.key_watch = key_watch
        self.forecast = forecast
        self._link_keys = link_keys

    async def find(self, account_id: int, task_id: str) -> Task:
        """An account's task. Raises InvalidTaskId, TaskNotFound."""
        check_id(task_id)
        task = await self._reader.find(account_id, task_id)
        if task is None:
            raise TaskNotFound
        return task

    async def when_ended(self, holder: Holder, task: Task, wait_s: float) -> Task:
        """The task when it has ended, or as it stands after `wait_s`. Raises Unauthorized when the key ends meanwhile."""
        if wait_s <= 0 or task.status in ENDS:
            return task
        with (
            self.task_watcher.watch(task.id, task) as watch,
            self.key_watch.permit(holder.api_key_id, watch.close) as permit,
        ):
            # It may have ended before it was watched. Read by the task_watcher, so that a database which is away at this
            # moment fails nobody whose order is accepted.
            self.task_watcher.look(task.id)
            await watch.end(wait_s)
            assert watch.task is not None
            # What the key saw when it was good it may see again.
            return watch.task if await permit.is_good(PERMIT_TIMEOUT_S) else task

    async def body(self, task: Task, **more_info: int) -> dict[str, Any]:
        """The task as its reader sees it; `more_info` stands in `task_info`."""
        task = await renew_link.with_live_link(self.database, task)
        estimated_time_s = 0 if task.status in ENDS else await self.forecast.of(task)
        body = wire.task_body(task, estimated_time_s, self._link_keys)
        body["task_info"] |= more_info
        return body

    def creation_body(self, task: Task) -> dict[str, Any]:
        """The task as it was when it was accepted, whatever has become of it."""
        return wire.creation_body(task, self._link_keys)


def check_id(task_id: str) -> None:
    """Refuse what cannot be a task's id. Raises InvalidTaskId, TaskNotFound."""
    if not has_id_prefix(task_id):
        raise InvalidTaskId
    if not is_id(task_id):
        raise TaskNotFound
