"""Submit: an order becomes a task that is paid for and queued, or nothing happens at all.

One transaction holds the task's row, the hold on its price, and the queue's row. When it is committed the task is
accepted: it will end as completed and charged, or as failed and free.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from easel.actions.forecast import Forecast
from easel.domain import task as task_rules
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import ModelAccessDenied, PermissionDenied
from easel.domain.order import SEED_MAX, SEED_MIN, Order
from easel.store import credits as ledger
from easel.store import queue, tasks
from easel.store.database import Database
from easel.store.tasks import NewTask, Task, TaskIdTaken

_ID_ATTEMPTS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """An order and where it came from. `public_url` is the base of the links that its task will have."""

    holder: Holder
    order: Order
    request_id: str
    public_url: str


class Submit:
    """Accepts orders at one price."""

    def __init__(self, database: Database, forecast: Forecast, price_microcredits: int) -> None:
        self._database = database
        self._forecast = forecast
        self._price_microcredits = price_microcredits

    async def __call__(self, submission: Submission) -> Task:
        """The accepted task.

        Raises PermissionDenied, ModelAccessDenied, InsufficientQuota, DatabaseUnavailable; then nothing was kept.
        """
        _check_access(submission)
        estimated_time_s = await self._forecast.of_new_task()
        for _ in range(_ID_ATTEMPTS_MAX - 1):
            try:
                return await self._accept(self._new_task(submission, estimated_time_s))
            except TaskIdTaken:
                continue
        return await self._accept(self._new_task(submission, estimated_time_s))

    def _new_task(self, submission: Submission, estimated_time_s: int) -> NewTask:
        holder, order = submission.holder, submission.order
        created_at = datetime.now(UTC)
        return NewTask(
            id=task_rules.new_id(int(created_at.timestamp()), secrets.randbelow(task_rules.ID_SUFFIXES)),
            account_id=holder.account_id,
            api_key_id=holder.api_key_id,
            request_id=submission.request_id,
            public_url=submission.public_url,
            user_group=holder.user_group,
            price_microcredits=self._price_microcredits,
            order=order,
            # Chosen here rather than at the drawing, so that a task drawn again gives the same picture.
            seed=order.seed or SEED_MIN + secrets.randbelow(SEED_MAX - SEED_MIN + 1),
            estimated_time_s=estimated_time_s,
            created_at=created_at,
        )

    async def _accept(self, new: NewTask) -> Task:
        async with self._database.transaction() as connection:
            task = await tasks.add(connection, new)
            await queue.add_draw(connection, task.id)
            # Last, because it locks the account's row until the commit.
            await ledger.hold(connection, task.account_id, task.id, task.price_microcredits)
            return task


def _check_access(submission: Submission) -> None:
    holder, model = submission.holder, submission.order.model
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    if not holder.may_use(model):
        raise ModelAccessDenied(model)
