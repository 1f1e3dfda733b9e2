"""Cancels a process's background tasks, and waits for them before the connections that they use are closed.

A task that is cancelled in the middle of a statement asks the database to cancel the statement. If that request is
interrupted too, the connection is lost.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

CANCEL_S_MAX: Final = 5.0


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended, at most CANCEL_S_MAX."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    ended, late = await asyncio.wait(tasks, timeout=CANCEL_S_MAX)
    for task in ended:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("background_task_failed", exc_info=error)
    if late:
        log.warning("background_tasks_abandoned", count=len(late))
