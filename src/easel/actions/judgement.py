"""What follows from judging an accepted task: one decision refuses it, the others are recorded."""

from collections.abc import Sequence

import structlog

from easel.domain.moderation.decision import Decision
from easel.live.judge import Judge
from easel.store import moderation_log
from easel.store.database import Database
from easel.store.tasks import Task

log = structlog.get_logger(__name__)


async def refusal_among(decisions: Sequence[Decision], task: Task, judge: Judge, database: Database) -> Decision | None:
    """The decision that ends the task, if there is one. Records the decisions before it."""
    for decision in decisions:
        if decision.ends_task:
            return decision
        log.warning("unjudged_content_allowed", task_id=task.id, stage=decision.stage, reason=decision.reason)
        async with database.transaction() as connection:
            await moderation_log.add(connection, judge.judged(task.account_id, task.prompt, task.id), decision)
    return None
