"""Submit: orders become queued tasks with credits held for them, or nothing changes.

One transaction covers the idempotency key, the API key's limits, the tasks, the queue and the holds. It is a single
statement if there is one order, no idempotency key, and no decision of moderation to record. Once it commits,
the tasks are accepted: each will end either completed and charged, or failed and free.

Moderation judges the prompt first. If it refuses the prompt, a setting decides whether the orders become tasks that
have already failed or the client gets an error. Either way the request counts against the key's rate and is recorded.
"""

import hashlib
import itertools
import secrets
from collections.abc import Sequence
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
from easel.domain.task import ID_SUFFIXES, Status, new_id
from easel.live import measured, traces
from easel.live.forecast import Forecast, Prospect
from easel.live.judge import Judge, ending
from easel.live.rate_limiter import RateLimiter, Times
from easel.store import acceptance, admission, idempotency, moderation_log, task_traces, tasks
from easel.store.acceptance import NewTask, TaskIdTaken
from easel.store.admission import AdmissionRequest
from easel.store.database import Database, Writer
from easel.store.idempotency import Claim
from easel.store.moderation_log import Judged
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

CREATE: Final = "create"
"""The name of the quota for creating tasks."""
JUDGEMENTS_PER_CREATE: Final = 10
JUDGEMENTS_PER_MINUTE_MIN: Final = 100
"""A key's prompts are judged only so often on one machine: a multiple of the key's create rate, but never below the
minimum. The multiple leaves room for repeated and refused orders, which are judged but do not count as created."""
_ID_ATTEMPTS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class SubmitSettings:
    """The default price and limits, which a group or key can override."""

    price_microcredits: int
    creates_per_minute: int
    unfinished_max: int
    idempotency_h: int


@dataclass(frozen=True, slots=True)
class Submission:
    """Orders that differ only in their seeds, and the request that they came with. `public_url` is the base of their
    tasks' links. The idempotency key covers all the orders together."""

    holder: Holder
    orders: Sequence[Order]
    request_id: str
    public_url: str
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        first, *others = self.orders
        assert all(replace(order, seed=first.seed) == first for order in others)

    def digest(self) -> bytes:
        """32 bytes that identify these orders."""
        digests = [order.digest() for order in self.orders]
        return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """One task for each order, in the same sequence, and the key's standing. A replay has the first request's tasks."""

    tasks: Sequence[Task]
    standing: Standing
    is_replay: bool = False


class Submit:
    """Accepts orders."""

    def __init__(
        self,
        database: Database,
        judge: Judge,
        forecast: Forecast,
        settings: SubmitSettings,
        judgement_times: Times | None = None,
    ) -> None:
        self._database = database
        self._judge = judge
        self._forecast = forecast
        self._settings = settings
        self._judgement_limiter = RateLimiter(Quota(CREATE, settings.creates_per_minute), times=judgement_times)

    async def __call__(self, submission: Submission) -> Accepted:
        """Accept orders.

        Raises PermissionDenied, ModelAccessDenied, ContentPolicyViolation, IdempotencyConflict, RateLimitExceeded,
        InsufficientQuota, ServiceUnavailable (the backlog is full, or no layer could judge the prompt) and
        DatabaseUnavailable. If it raises, no task was created.
        """
        holder, order = submission.holder, submission.orders[0]
        if Scope.GENERATE not in holder.scopes:
            raise PermissionDenied
        if not holder.may_use(order.model):
            raise ModelAccessDenied(order.model)
        request = self._admission_request(submission)
        try:
            await self._limit_judging(submission, request)
            decisions = await self._judge.before_acceptance(order.prompt, Level.of(nsfw_check=order.nsfw_check))
            refusal = ending(decisions)
            if refusal is None:
                return await self._accept(submission, request, decisions)
            return await self._refuse(submission, replace(request, holds_credits=False), refusal)
        except RateLimitExceeded as exceeded:
            if exceeded.standing is not None and exceeded.standing.is_used_up:
                # The rate may only seem used up, because the database's clock was set back after the last request.
                async with self._database.single_statement() as connection:
                    await admission.cap_rate(connection, request.api_key_id, request.quota)
            raise

    def _admission_request(self, submission: Submission) -> AdmissionRequest:
        holder, settings = submission.holder, self._settings
        return AdmissionRequest(
            api_key_id=holder.api_key_id,
            count=len(submission.orders),
            price_microcredits=holder.prices_microcredits.get(submission.orders[0].model, settings.price_microcredits),
            quota=Quota(CREATE, holder.creates_per_minute or settings.creates_per_minute),
            unfinished_max=holder.unfinished_max or settings.unfinished_max,
        )

    async def _limit_judging(self, submission: Submission, request: AdmissionRequest) -> None:
        """Limit how often prompts are judged, because judging costs more than refusing. The exact limit applies later.

        Raises RateLimitExceeded.
        """
        count_max = max(JUDGEMENTS_PER_MINUTE_MIN, JUDGEMENTS_PER_CREATE * request.quota.count_max)
        self._judgement_limiter.take(request.api_key_id, Quota(CREATE, count_max))
        if self._judge.is_costly_before_acceptance and submission.idempotency_key is None:
            async with self._database.reading() as connection:
                standing = await admission.standing(connection, request.api_key_id, request.quota)
            if standing.taking(request.count) is None:
                raise RateLimitExceeded(standing.retry_after_s(request.count), standing)

    async def _accept(
        self, submission: Submission, request: AdmissionRequest, decisions: Sequence[Decision]
    ) -> Accepted:
        prospect = await self._forecast.of_new_tasks(request.count)
        if prospect.refusal is not None and submission.idempotency_key is None:
            raise prospect.refusal
        with self._forecast.submitting(request.count):
            accepted = await self._create(submission, request, prospect, decisions)
            if not accepted.is_replay:
                measured.ACCEPTED.add(amount=request.count)
                settle.announce_work(self._database)
                self._forecast.note_accepted(request.count)
            return accepted

    async def _refuse(self, submission: Submission, request: AdmissionRequest, refusal: Decision) -> Accepted:
        """Create the tasks as already failed. If the operator chose errors, raises the client's error instead."""
        log.info("order_refused", request_id=submission.request_id, stage=refusal.stage, outcome=refusal.outcome,
                 layer=refusal.layer, reason=refusal.reason)  # fmt: skip
        if self._judge.answers_errors:
            return await self._refuse_with_error(submission, request, refusal)
        prospect = await self._forecast.of_new_tasks(request.count)
        refused = await self._create(submission, request, prospect, [refusal])
        if not refused.is_replay:
            for _ in refused.tasks:
                measured.ended(Status.FAILED, refusal.code)
        if any(order.callback_url is not None for order in submission.orders):
            settle.notify_all(self._database, *(task.id for task in refused.tasks))
        return refused

    async def _refuse_with_error(
        self, submission: Submission, request: AdmissionRequest, refusal: Decision
    ) -> Accepted:
        """Return the tasks of an earlier request with this idempotency key. If there is none, raise the refusal and do
        not claim the key."""
        async with self._database.transaction() as connection:
            async with connection.transaction(force_rollback=True):
                earlier = await self._claim_key(connection, submission, request, [""] * request.count)
            if earlier is not None:
                return earlier
            await admission.admit(connection, request)
            await moderation_log.add(connection, self._judged(submission, None), refusal)
        if refusal.finding is None:
            raise ServiceUnavailable
        raise ContentPolicyViolation(refusal.message)

    async def _create(
        self, submission: Submission, request: AdmissionRequest, prospect: Prospect, decisions: Sequence[Decision]
    ) -> Accepted:
        """Create the tasks. Retries with new ids if an id is taken."""
        for _ in range(_ID_ATTEMPTS_MAX - 1):
            try:
                return await self._create_once(submission, request, prospect, decisions)
            except TaskIdTaken:
                continue
        return await self._create_once(submission, request, prospect, decisions)

    async def _create_once(
        self, submission: Submission, request: AdmissionRequest, prospect: Prospect, decisions: Sequence[Decision]
    ) -> Accepted:
        refusal = ending(decisions)
        # The database's clock, because it also decides how long a task has waited.
        now = await self._database.now()
        new = [self._new_task(submission, order, request, prospect, now) for order in submission.orders]
        traceparent = traces.traceparent()
        if len(new) == 1 and submission.idempotency_key is None and not decisions and traceparent is None:
            async with self._database.single_statement() as connection:
                accepted, standing = await acceptance.admit_and_accept(connection, request, new[0])
            return Accepted([accepted], standing)
        async with self._database.transaction() as connection:
            earlier = await self._claim_key(connection, submission, request, [task.id for task in new])
            if earlier is not None:
                return earlier
            if refusal is None and prospect.refusal is not None:
                raise prospect.refusal
            # This locks the rows of the key and the account.
            standing = await admission.admit(connection, request)
            if refusal is None:
                created = [await acceptance.accept(connection, task) for task in new]
            else:
                created = [await acceptance.refuse(connection, task, refusal.code, refusal.message) for task in new]
            if traceparent is not None:
                await task_traces.add(connection, [task.id for task in created], traceparent)
            for task, decision in itertools.product(new, decisions):
                await moderation_log.add(connection, self._judged(submission, task.id), decision)
            return Accepted(created, standing)

    async def _claim_key(
        self, connection: Writer, submission: Submission, request: AdmissionRequest, task_ids: Sequence[str]
    ) -> Accepted | None:
        """The tasks of an earlier request with this idempotency key. Claims a new key for `task_ids`.

        Raises IdempotencyConflict.
        """
        if submission.idempotency_key is None:
            return None
        account_id, digest = submission.holder.account_id, submission.digest()
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
        # The digest covers the number of orders, and their keys are claimed and deleted together.
        assert len(earlier) in {0, len(task_ids)}
        if not earlier:
            return None
        return Accepted(
            earlier, await admission.standing(connection, request.api_key_id, request.quota), is_replay=True
        )

    def _judged(self, submission: Submission, task_id: str | None) -> Judged:
        return self._judge.judged(submission.holder.account_id, submission.orders[0].prompt, task_id)

    def _new_task(
        self, submission: Submission, order: Order, request: AdmissionRequest, prospect: Prospect, created_at: datetime
    ) -> NewTask:
        return NewTask(
            id=new_id(int(created_at.timestamp()), secrets.randbelow(ID_SUFFIXES)),
            account_id=submission.holder.account_id,
            api_key_id=request.api_key_id,
            request_id=submission.request_id,
            public_url=submission.public_url,
            user_group=submission.holder.user_group,
            price_microcredits=request.price_microcredits,
            order=order,
            # Chosen here and not when drawing, so that a second draw produces the same picture.
            seed=order.seed or SEED_MIN + secrets.randbelow(SEED_MAX - SEED_MIN + 1),
            estimated_time_s=prospect.estimated_time_s,
            created_at=created_at,
            is_prompt_judged=self._judge.judges_all_before_acceptance,
        )


def _numbered(idempotency_key: str, number: int) -> str:
    """The idempotency key of one of several orders. The first order uses the client's own key."""
    return idempotency_key if number == 0 else hashlib.sha256(f"{idempotency_key}\n{number}".encode()).hexdigest()
