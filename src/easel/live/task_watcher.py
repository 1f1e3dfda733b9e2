"""Tells waiting requests that a task has changed, with one listener per process.

A changed row is read once for all requests that wait for it. Notifications may get lost, so watched tasks are also read
every few seconds and whenever the listener reconnects. A watch may miss states of a task: a slow reader sees only the
latest.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final

import structlog

from easel.domain.task import ENDS
from easel.store import notifications, tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.notifications import Channel
from easel.store.preview_notices import Preview
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 2.0
POLL_EVERY_S: Final = 0.25
"""How often watched tasks are read where nothing can be listened to, because only a pooler can be reached."""
BACK_OFF_S: Final = 0.5


class Watch:
    """One request's watch over one task."""

    def __init__(self, task: Task | None, *, wants_previews: bool = False) -> None:
        self.task = task
        """The task as last read. None before the first reading."""
        self.preview: Preview | None = None
        """The latest preview of the picture that is being drawn, if previews are wanted and one has come."""
        self.is_over = False
        """Whether no more changes will be seen, because the watch was closed."""
        self._wants_previews = wants_previews
        self._changed = asyncio.Event()

    async def change(self, timeout_s: float) -> bool:
        """Wait until the task has changed or a preview has come. False if neither happened in time, or the watch was
        closed."""
        if self.is_over:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return not self.is_over

    async def end(self, timeout_s: float | None = None) -> None:
        """Wait until the task has ended, the watch is closed or the timeout is over. With None there is no timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.is_over and (self.task is None or self.task.status not in ENDS):
                    await self._changed.wait()
                    self._changed.clear()

    def show(self, task: Task) -> None:
        """Take a new reading of the task."""
        if task != self.task:
            self.task = task
            self._changed.set()

    def show_preview(self, preview: Preview) -> None:
        """Take a preview."""
        if self._wants_previews:
            self.preview = preview
            self._changed.set()

    def close(self) -> None:
        """End the watch and release the request that waits for it."""
        self.is_over = True
        self._changed.set()


class TaskWatcher:
    """All watches of one process, and its one listener.

    `on_notification` is called for every change that is announced, whether its task is watched or not. `on_work` is
    called for every waiting task that is announced on WORK, if that is among the channels, and whenever the watcher
    looks.
    """

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel],
        on_notification: Callable[[], None] = lambda: None,
        on_work: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._channels = channels
        self._on_notification = on_notification
        self._on_work = on_work
        self.listens = database.listen_url is not None
        """Whether it listens. If not, it holds no connection, and finds changes only when it looks."""
        self._watches: dict[str, set[Watch]] = {}
        self._unread: set[str] = set()
        self._has_unread = asyncio.Event()
        self._is_closed = False

    @contextmanager
    def watch(self, task_id: str, task: Task | None = None, *, wants_previews: bool = False) -> Iterator[Watch]:
        """Watch a task. `task` is the last reading. A change between that reading and this call is seen at the next
        `look`, or a little later."""
        watch = Watch(task, wants_previews=wants_previews)
        if self._is_closed:
            watch.close()
        self._watches.setdefault(task_id, set()).add(watch)
        try:
            yield watch
        finally:
            self._watches[task_id].discard(watch)
            if not self._watches[task_id]:
                del self._watches[task_id]

    def look(self, task_id: str) -> None:
        """Read a watched task again now."""
        self._note([task_id])

    def close(self) -> None:
        """Close all watches, and those that begin later."""
        self._is_closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.close()

    def let_listen(self, *, wanted: bool) -> None:
        """Listen, where the database can be listened to, or only look."""
        self.listens = wanted and self._database.listen_url is not None

    async def run(self) -> None:
        """Listen and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._read())

    async def _listen(self) -> None:
        listen_url = self._database.listen_url
        look_every_s = POLL_EVERY_S if listen_url is None else LOOK_EVERY_S
        while True:
            try:
                if self.listens and listen_url is not None:
                    await self._listen_once(listen_url)
                else:
                    self._note(self._watches)
                    await asyncio.sleep(look_every_s)
                    continue
            except DatabaseUnavailable as error:
                log.warning("notifications_lost", reason=str(error))
            except Exception:  # the outermost loop: without it no change would be seen
                log.exception("task_watcher_failed")
            await asyncio.sleep(BACK_OFF_S)

    async def _listen_once(self, listen_url: str) -> None:
        """Listen until the connection fails, or it should listen no more."""
        async with aclosing(notifications.listen(listen_url, self._channels, LOOK_EVERY_S)) as notices:
            async for notice in notices:
                if notice is None:
                    self._note(self._watches)
                    self._on_work()
                    if not self.listens:
                        return
                elif notice.channel is Channel.WORK:
                    self._on_work()
                elif notice.channel is Channel.PREVIEWS:
                    self._show_preview(notice.payload)
                else:
                    self._note([notice.payload])
                    if notice.channel is not Channel.WISHES:
                        self._on_notification()

    def _show_preview(self, payload: str) -> None:
        watches = self._watches.get(payload.partition(" ")[0])
        if watches:
            preview = Preview.of(payload)
            for watch in watches:
                watch.show_preview(preview)

    def _note(self, task_ids: Iterable[str]) -> None:
        watched = [task_id for task_id in task_ids if task_id in self._watches]
        if watched:
            self._unread.update(watched)
            self._has_unread.set()

    async def _read(self) -> None:
        while True:
            await self._has_unread.wait()
            self._has_unread.clear()
            unread, self._unread = self._unread, set()
            # A watch that begins during this reading may already know a newer state.
            watches = {task_id: list(self._watches.get(task_id, ())) for task_id in unread}
            try:
                async with self._database.reading() as connection:
                    for task in await tasks.find_all(connection, list(unread)):
                        for watch in watches[task.id]:
                            watch.show(task)
            except DatabaseUnavailable:
                await asyncio.sleep(BACK_OFF_S)
                self._note(unread)
            except Exception:  # the outermost loop again
                log.exception("task_watcher_failed")
                await asyncio.sleep(BACK_OFF_S)
