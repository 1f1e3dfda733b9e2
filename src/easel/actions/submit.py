"""Submit: orders become tasks that are paid for and queued, or nothing happens at all.

One transaction holds the idempotency key, the key's limits, the tasks' rows, the queue's rows and the holds. When it is
committed the tasks are accepted: each will end as completed and charged, or as failed and free.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from easel.actions.forecast import Forecast, Prospect
from easel.domain import task as task_rules
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import IdempotencyConflict, ModelAccessDenied, PermissionDenied
from easel.domain.order import SEED_MAX, SEED_MIN, Order
from easel.domain.rate import Quota, Standing
from easel.store import acceptance, admission, idempotency, tasks
from easel.store.acceptance import NewTask, TaskIdTaken
from easel.store.admission import Wish
from easel.store.database import Connection, Database
from easel.store.idempotency import Claim
from easel.store.tasks import Task

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
    have. An idempotency key goes with all of them together."""

    holder: Holder
    orders: Sequence[Order]
    request_id: str
    public_url: str
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        assert len({order.model for order in self.orders}) == 1

    def digest(self) -> bytes:
        """32 bytes that tell these orders from all others."""
        digests = [order.digest() for order in self.orders]
        return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The tasks, in the order of their orders, and where the key stands. A replay has the first time's tasks."""

    tasks: Sequence[Task]
    standing: Standing
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
        count = len(submission.orders)
        prospect = await self._forecast.of_new_tasks(count)
        if prospect.refusal is not None and submission.idempotency_key is None:
            raise prospect.refusal
        with self._forecast.submitting(count):
            accepted = await self._accept(submission, prospect)
            if not accepted.is_replay:
                self._forecast.note_accepted(count)
            return accepted

    async def _accept(self, submission: Submission, prospect: Prospect) -> Accepted:
        for _ in range(_ID_ATTEMPTS_MAX - 1):
            try:
                return await self._accept_once(submission, prospect)
            except TaskIdTaken:
                continue
        return await self._accept_once(submission, prospect)

    async def _accept_once(self, submission: Submission, prospect: Prospect) -> Accepted:
        new = [self._new_task(submission, order, prospect.estimated_time_s) for order in submission.orders]
        async with self._database.transaction() as connection:
            earlier = await self._claim(connection, submission, [task.id for task in new])
            if earlier:
                wish = self._wish(submission)
                standing = await admission.standing(connection, wish.api_key_id, wish.quota)
                return Accepted(earlier, standing, is_replay=True)
            if prospect.refusal is not None:
                raise prospect.refusal
            # From here on the key's and the account's rows are locked.
            standing = await admission.admit(connection, self._wish(submission))
            return Accepted([await acceptance.accept(connection, task) for task in new], standing)

    async def _claim(self, connection: Connection, submission: Submission, task_ids: Sequence[str]) -> list[Task]:
        """The tasks that the idempotency key was used for before; none when it is new, or there is no key."""
        if submission.idempotency_key is None:
            return []
        account_id = submission.holder.account_id
        digest = submission.digest()
        earlier = []
        for number, task_id in enumerate(task_ids):
            claim = Claim(account_id, _numbered(submission.idempotency_key, number), digest)
            claimed = await idempotency.claim(connection, claim, task_id, self._settings.idempotency_h)
            if claimed is None:
                continue
            if claimed.order_digest != digest:
                raise IdempotencyConflict
            task = await tasks.find(connection, account_id, claimed.task_id)
            assert task is not None, "tasks are never removed"
            earlier.append(task)
        # The digest tells how many there are, and they are claimed, and forgotten, at one moment.
        assert len(earlier) in {0, len(task_ids)}
        return earlier

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


def _numbered(idempotency_key: str, number: int) -> str:
    """The key under which one of several orders is claimed: the first one's is the client's own."""
    return idempotency_key if number == 0 else hashlib.sha256(f"{idempotency_key}\n{number}".encode()).hexdigest()


def _check_access(submission: Submission) -> None:
    holder, model = submission.holder, submission.orders[0].model
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    if not holder.may_use(model):
        raise ModelAccessDenied(model)
