"""Waits for tasks on behalf of clients, as long as their keys are valid."""

from typing import Final

from starlette.requests import Request

from easel.domain.api_key import Holder
from easel.domain.task import ENDS
from easel.live.key_watch import KeyWatch
from easel.live.task_watcher import TaskWatcher
from easel.store.tasks import Task
from easel.web.client_limits import Streams

PERMIT_TIMEOUT_S: Final = 3.0
"""How long a check of the waiting client's key may take."""


class Waiting:
    """The waiting requests of one process."""

    def __init__(self, task_watcher: TaskWatcher, key_watch: KeyWatch, streams: Streams) -> None:
        self._task_watcher = task_watcher
        self._key_watch = key_watch
        self._streams = streams

    async def until_ended(self, request: Request, holder: Holder, task: Task, wait_s: float) -> Task:
        """The task once it has ended, or as it is after `wait_s`.

        Raises RateLimitExceeded at once if the client has too many requests waiting, and Unauthorized if its key is
        revoked or expires during the wait.
        """
        with self._streams.open(request, holder):
            if wait_s <= 0 or task.status in ENDS:
                return task
            with (
                self._task_watcher.watch(task.id, task) as watch,
                self._key_watch.permit(holder.api_key_id, watch.close) as permit,
            ):
                # The task may have ended before it was watched. The watcher reads it, because it survives a database
                # outage, which must not fail a request whose order is accepted.
                self._task_watcher.look(task.id)
                await watch.end(wait_s)
                assert watch.task is not None
                # If the key cannot be checked, show only what the client was allowed to see before.
                return watch.task if await permit.is_good(PERMIT_TIMEOUT_S) else task
