"""Rescue: jobs of workers that died go to other workers; a task that keeps killing workers is ended.

Any number of workers may do this at the same time; one of them does it, the others see that and leave.
"""

import structlog

from easel.actions import settle
from easel.domain.task import WORKER_DEATHS_MAX, ErrorCode
from easel.store import queue, tasks
from easel.store.database import Database

log = structlog.get_logger(__name__)


async def rescue_stalled(database: Database) -> None:
    """Hand back, or end, every job whose worker is gone."""
    async with database.transaction() as connection:
        if not await queue.lock_rescue(connection):
            return
        for job in await queue.stalled(connection):
            deaths = await tasks.count_worker_death(connection, job.task_id)
            if deaths < WORKER_DEATHS_MAX:
                await queue.hand_back(connection, job)
            else:
                message = f"Drawing this task ended its worker {deaths} times"
                await settle.fail_within(connection, job.task_id, ErrorCode.SERVICE_ERROR, message)
                await queue.drop(connection, job)
            log.warning("job_rescued", task_id=job.task_id, worker_deaths=deaths)


async def hand_back_all(database: Database, worker_id: int) -> None:
    """Return what a worker held when its queue loop ended without it dying; nobody is to blame for that."""
    async with database.transaction() as connection:
        for job in await queue.held_by(connection, worker_id):
            await queue.hand_back(connection, job)
            log.info("job_handed_back", task_id=job.task_id)
