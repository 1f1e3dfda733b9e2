"""Submit: orders become tasks that are paid for and queued, or nothing happens at all.

One transaction holds the idempotency key, the key's limits, the tasks' rows, the queue's rows and the holds. When it is
committed the tasks are accepted: each will end as completed and charged, or as failed and free.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from easel.actions.forecast import Forecast
from easel.domain import task as task_rules
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import IdempotencyConflict, ModelAccessDenied, PermissionDenied
from easel.domain.order import SEED_MAX, SEED_MIN, Order
from easel.domain.rate import Quota, Standing
from easel.store import admission, idempotency, queue, tasks
from easel.store import credits as ledger
from easel.store.admission import Wish
from easel.store.database import Connection, Database
from easel.store.idempotency import Claim
from easel.store.tasks import NewTask, Task, TaskIdTaken

CREATE: Final = "create"
"""The name of the quota that creating tasks uses up."""
_ID_ATTEMPTS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class SubmitSettings:
    """What a picture costs, and what a key may do, unless its group or the key itself says otherwise."""

    price_microcredits: int
    creates_per_minute: int
    unfinished_max: int
    idempotency_h: int


@dataclass(frozen=True, slots=True)
class Submission:
    """Orders for the same model, and where they came from. `public_url` is the base of the links that their tasks will
    have. An idempotency key goes with one order only."""

    holder: Holder
    orders: Sequence[Order]
    request_id: str
    public_url: str
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        assert len({order.model for order in self.orders}) == 1
        assert self.idempotency_key is None or len(self.orders) == 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """The tasks, in the order of their orders, and where the key stands. A replay has the first time's task."""

    tasks: Sequence[Task]
    standing: Standing | None = None
    is_replay: bool = False


class Submit:
    """Accepts orders."""

    def __init__(self, database: Database, forecast: Forecast, settings: SubmitSettings) -> None:
        self._database = database
        self._forecast = forecast
        self._settings = settings

    async def __call__(self, submission: Submission) -> Accepted:
        """The accepted tasks.

        Raises PermissionDenied, ModelAccessDenied, IdempotencyConflict, RateLimitExceeded, InsufficientQuota,
        ServiceUnavailable (the backlog is full), DatabaseUnavailable; then nothing was kept.
        """
        _check_access(submission)
        estimated_time_s = await self._forecast.of_new_tasks(len(submission.orders))
        for _ in range(_ID_ATTEMPTS_MAX - 1):
            try:
                return await self._accept(submission, estimated_time_s)
            except TaskIdTaken:
                continue
        return await self._accept(submission, estimated_time_s)

    async def _accept(self, submission: Submission, estimated_time_s: int) -> Accepted:
        new = [self._new_task(submission, order, estimated_time_s) for order in submission.orders]
        async with self._database.transaction() as connection:
            earlier = await self._claim(connection, submission, new[0].id)
            if earlier is not None:
                return Accepted([earlier], is_replay=True)
            # From here on the key's and the account's rows are locked.
            standing = await admission.admit(connection, self._wish(submission))
            return Accepted([await _add(connection, task) for task in new], standing)

    async def _claim(self, connection: Connection, submission: Submission, task_id: str) -> Task | None:
        """The task that the idempotency key was used for before; None when it is new, or there is no key."""
        if submission.idempotency_key is None:
            return None
        account_id = submission.holder.account_id
        claim = Claim(account_id, submission.idempotency_key, submission.orders[0].digest())
        claimed = await idempotency.claim(connection, claim, task_id, self._settings.idempotency_h)
        if claimed is None:
            return None
        if claimed.order_digest != claim.order_digest:
            raise IdempotencyConflict
        return await tasks.find(connection, account_id, claimed.task_id)

    def _wish(self, submission: Submission) -> Wish:
        holder = submission.holder
        return Wish(
            api_key_id=holder.api_key_id,
            count=len(submission.orders),
            price_microcredits=self._price_microcredits(holder, submission.orders[0].model),
            quota=Quota(CREATE, holder.creates_per_minute or self._settings.creates_per_minute),
            unfinished_max=holder.unfinished_max or self._settings.unfinished_max,
        )

    def _price_microcredits(self, holder: Holder, model: str) -> int:
        return holder.prices_microcredits.get(model, self._settings.price_microcredits)

    def _new_task(self, submission: Submission, order: Order, estimated_time_s: int) -> NewTask:
        holder = submission.holder
        created_at = datetime.now(UTC)
        return NewTask(
            id=task_rules.new_id(int(created_at.timestamp()), secrets.randbelow(task_rules.ID_SUFFIXES)),
            account_id=holder.account_id,
            api_key_id=holder.api_key_id,
            request_id=submission.request_id,
            public_url=submission.public_url,
            user_group=holder.user_group,
            price_microcredits=self._price_microcredits(holder, order.model),
            order=order,
            # Chosen here rather than at the drawing, so that a task drawn again gives the same picture.
            seed=order.seed or SEED_MIN + secrets.randbelow(SEED_MAX - SEED_MIN + 1),
            estimated_time_s=estimated_time_s,
            created_at=created_at,
        )


async def _add(connection: Connection, new: NewTask) -> Task:
    task = await tasks.add(connection, new)
    await queue.add_draw(connection, task.id, priority=-task.tag)
    await ledger.hold(connection, task.account_id, task.id, task.price_microcredits)
    return task


def _check_access(submission: Submission) -> None:
    holder, model = submission.holder, submission.orders[0].model
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    if not holder.may_use(model):
        raise ModelAccessDenied(model)
