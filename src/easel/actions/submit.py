"""Submit: orders become tasks that are paid for and queued, or nothing happens at all.

One transaction holds the idempotency key, the key's limits, the tasks' rows, the queue's rows and the holds. When it is
committed the tasks are accepted: each will end as completed and charged, or as failed and free.

Moderation comes before it. What that refuses becomes tasks that have failed already, or an error, as the operator chose;
either way it counts against the key's rate, and is written down.
"""

import hashlib
import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from easel.actions import settle
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import (
    ContentPolicyViolation,
    IdempotencyConflict,
    ModelAccessDenied,
    PermissionDenied,
    RateLimitExceeded,
    ServiceUnavailable,
)
from easel.domain.moderation.decision import Decision, Level
from easel.domain.order import SEED_MAX, SEED_MIN, Order
from easel.domain.rate import Quota, Standing
from easel.domain.task import ID_SUFFIXES, new_id
from easel.live.forecast import Forecast, Prospect
from easel.live.judge import Judge, ending
from easel.live.rate_limiter import RateLimiter
from easel.store import acceptance, admission, idempotency, moderation_log, tasks
from easel.store.acceptance import NewTask, TaskIdTaken
from easel.store.admission import Wish
from easel.store.database import Database, Writer
from easel.store.idempotency import Claim
from easel.store.moderation_log import Judged
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

CREATE: Final = "create"
"""The name of the quota that creating tasks uses up."""
JUDGINGS_PER_CREATE: Final = 10
JUDGINGS_PER_MINUTE_MIN: Final = 100
"""How many times as often as tasks may be created, and how often at least, a process judges a key's prompts. Orders that
are repeated, or refused for other reasons, are judged again, and count as none."""
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
    """Orders that differ in their seeds alone, and where they came from. `public_url` is the base of the links that their tasks will
    have. An idempotency key goes with all of them together."""

    holder: Holder
    orders: Sequence[Order]
    request_id: str
    public_url: str
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        assert len({replace(order, seed=None) for order in self.orders}) == 1

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

    def __init__(self, database: Database, judge: Judge, forecast: Forecast, settings: SubmitSettings) -> None:
        self._database = database
        self._judge = judge
        self._forecast = forecast
        self._settings = settings
        self._judgings = RateLimiter(Quota(CREATE, settings.creates_per_minute))

    async def __call__(self, submission: Submission) -> Accepted:
        """The accepted tasks.

        Raises PermissionDenied, ModelAccessDenied, ContentPolicyViolation, IdempotencyConflict, RateLimitExceeded,
        InsufficientQuota, ServiceUnavailable (the backlog is full, or nobody could judge the prompt),
        DatabaseUnavailable; then no task was kept.
        """
        _check_access(submission)
        try:
            return await self._judge_and_admit(submission)
        except RateLimitExceeded as refusal:
            if refusal.standing is not None and refusal.standing.is_used_up:
                await self._pull_back(submission)
            raise

    async def _judge_and_admit(self, submission: Submission) -> Accepted:
        await self._limit_judging(submission)
        order = submission.orders[0]
        level = Level.of(nsfw_check=order.nsfw_check)
        decisions = await self._judge.before_acceptance(order.prompt, level)
        refusal = ending(decisions)
        if refusal is not None:
            return await self._refuse(submission, refusal)
        return await self._admit(submission, decisions)

    async def _pull_back(self, submission: Submission) -> None:
        """Mend what the key's row says of its rate, where the database's clock was set back since it was written."""
        wish = self._wish(submission)
        async with self._database.single_statement() as connection:
            await admission.cap_rate(connection, wish.api_key_id, wish.quota)

    async def _limit_judging(self, submission: Submission) -> None:
        """Judging costs more than refusing does, and comes before the limit that is exact. Raises RateLimitExceeded."""
        wish = self._wish(submission)
        count_max = max(JUDGINGS_PER_MINUTE_MIN, JUDGINGS_PER_CREATE * wish.quota.count_max)
        self._judgings.take(wish.api_key_id, Quota(CREATE, count_max))
        if self._judge.is_costly_before_acceptance and submission.idempotency_key is None:
            async with self._database.reading() as connection:
                standing = await admission.standing(connection, wish.api_key_id, wish.quota)
            if standing.taking(wish.count) is None:
                raise RateLimitExceeded(standing.retry_after_s(wish.count), standing)

    async def _admit(self, submission: Submission, decisions: Sequence[Decision]) -> Accepted:
        count = len(submission.orders)
        prospect = await self._forecast.of_new_tasks(count)
        if prospect.refusal is not None and submission.idempotency_key is None:
            raise prospect.refusal
        with self._forecast.submitting(count):
            accepted = await _with_new_ids(lambda: self._accept_once(submission, prospect, decisions))
            if not accepted.is_replay:
                self._forecast.note_accepted(count)
            return accepted

    async def _accept_once(self, submission: Submission, prospect: Prospect, decisions: Sequence[Decision]) -> Accepted:
        new = await self._new_tasks(submission, prospect)
        async with self._database.transaction() as connection:
            earlier = await self._earlier(connection, submission, [task.id for task in new])
            if earlier is not None:
                return earlier
            if prospect.refusal is not None:
                raise prospect.refusal
            # From here on the key's and the account's rows are locked.
            standing = await admission.admit(connection, self._wish(submission))
            accepted = [await acceptance.accept(connection, task) for task in new]
            for task, decision in itertools.product(new, decisions):
                await moderation_log.add(connection, self._judged(submission, task.id), decision)
            return Accepted(accepted, standing)

    async def _refuse(self, submission: Submission, decision: Decision) -> Accepted:
        """Tasks that have failed already. Raises what the caller is answered where that is to be an error."""
        log.info("order_refused", request_id=submission.request_id, stage=decision.stage, outcome=decision.outcome,
                 layer=decision.layer, reason=decision.reason)  # fmt: skip
        if not self._judge.answers_errors:
            prospect = await self._forecast.of_new_tasks(len(submission.orders))
            refused = await _with_new_ids(lambda: self._refuse_once(submission, prospect, decision))
            if any(order.callback_url is not None for order in submission.orders):
                await settle.tell_all(self._database, *(task.id for task in refused.tasks))
            return refused
        now = await self._database.now()
        async with self._database.transaction() as connection:
            # What is refused claims nothing.
            async with connection.transaction(force_rollback=True):
                earlier = await self._earlier(connection, submission, [_new_id(now) for _ in submission.orders])
            if earlier is not None:
                return earlier
            await admission.admit(connection, self._wish(submission, are_held=False))
            await moderation_log.add(connection, self._judged(submission), decision)
        if decision.finding is None:
            raise ServiceUnavailable
        raise ContentPolicyViolation(decision.message)

    async def _refuse_once(self, submission: Submission, prospect: Prospect, decision: Decision) -> Accepted:
        # Shown when it is created, as of any other.
        new = await self._new_tasks(submission, prospect)
        async with self._database.transaction() as connection:
            earlier = await self._earlier(connection, submission, [task.id for task in new])
            if earlier is not None:
                return earlier
            standing = await admission.admit(connection, self._wish(submission, are_held=False))
            refused = []
            for task in new:
                refused.append(await acceptance.refuse(connection, task, decision.code, decision.message))
                await moderation_log.add(connection, self._judged(submission, task.id), decision)
            return Accepted(refused, standing)

    def _judged(self, submission: Submission, task_id: str | None = None) -> Judged:
        return self._judge.judged(submission.holder.account_id, submission.orders[0].prompt, task_id)

    async def _earlier(self, connection: Writer, submission: Submission, ids: Sequence[str]) -> Accepted | None:
        """What the idempotency key was used for before, if it was; otherwise it is claimed for these tasks."""
        earlier = await self._claim(connection, submission, ids)
        if not earlier:
            return None
        wish = self._wish(submission)
        return Accepted(earlier, await admission.standing(connection, wish.api_key_id, wish.quota), is_replay=True)

    async def _claim(self, connection: Writer, submission: Submission, task_ids: Sequence[str]) -> list[Task]:
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

    def _wish(self, submission: Submission, *, are_held: bool = True) -> Wish:
        holder = submission.holder
        return Wish(
            api_key_id=holder.api_key_id,
            count=len(submission.orders),
            price_microcredits=self._price_microcredits(holder, submission.orders[0].model),
            quota=Quota(CREATE, holder.creates_per_minute or self._settings.creates_per_minute),
            unfinished_max=holder.unfinished_max or self._settings.unfinished_max,
            are_held=are_held,
        )

    def _price_microcredits(self, holder: Holder, model: str) -> int:
        return holder.prices_microcredits.get(model, self._settings.price_microcredits)

    async def _new_tasks(self, submission: Submission, prospect: Prospect) -> list[NewTask]:
        # By the database's clock, which will tell how long they have waited.
        now = await self._database.now()
        return [self._new_task(submission, order, prospect.estimated_time_s, now) for order in submission.orders]

    def _new_task(self, submission: Submission, order: Order, estimated_time_s: int, created_at: datetime) -> NewTask:
        holder = submission.holder
        return NewTask(
            id=_new_id(created_at),
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
            is_prompt_judged=self._judge.judges_all_before_acceptance,
        )


async def _with_new_ids(accept: Callable[[], Awaitable[Accepted]]) -> Accepted:
    """What `accept` gives, which is called again where an id that it made was taken."""
    for _ in range(_ID_ATTEMPTS_MAX - 1):
        try:
            return await accept()
        except TaskIdTaken:
            continue
    return await accept()


def _new_id(created_at: datetime) -> str:
    return new_id(int(created_at.timestamp()), secrets.randbelow(ID_SUFFIXES))


def _numbered(idempotency_key: str, number: int) -> str:
    """The key under which one of several orders is claimed: the first one's is the client's own."""
    return idempotency_key if number == 0 else hashlib.sha256(f"{idempotency_key}\n{number}".encode()).hexdigest()


def _check_access(submission: Submission) -> None:
    holder, model = submission.holder, submission.orders[0].model
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    if not holder.may_use(model):
        raise ModelAccessDenied(model)
