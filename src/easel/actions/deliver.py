"""Deliver: the callbacks of tasks that have ended are posted to their receivers.

Each process claims as many due callbacks as it has room for, and makes one attempt at each. It saves the outcome
together with what follows from it, so any process may make the next attempt. Claims, bodies and outcomes are each
written in batches: what arrives while one statement runs shares the next. Each receiver and each account has a
limited number of places, so one that hangs does not block others. When a process dies, its claims expire and other
processes continue. No callback is lost, but an attempt may be repeated under the same id if its process died or its
outcome could not be saved.

Does not promise an order. A receiver that stores a callback but fails to acknowledge it gets it again.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from easel.domain import webhook
from easel.domain.delivery import Attempted, State, message_id, verdict
from easel.live import background_tasks, measured, traces
from easel.live.batched_writer import BatchedWriter
from easel.store import callbacks, task_traces
from easel.store.callbacks import ClaimedCallback, EndedAttempt, Room
from easel.store.database import Database, DatabaseUnavailable, RelaxedDatabase, Writer
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 256
PER_RECEIVER_MAX: Final = 8
PER_ACCOUNT_MAX: Final = 64
LOOK_EVERY_S: Final = 5.0
"""Longest delay before a callback is found whose notification was lost or whose process died."""
BACK_OFF_S: Final = 0.5
LOST_AGAIN_S: Final = 0.02
"""Delay before the next look when other processes claimed callbacks that this one wanted."""
_AGAIN_AFTER_S: Final = (0.2, 1.0)
_Answer = TypeVar("_Answer")


class Post(Protocol):
    """Sends one request. Never raises."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempted:
        """How the attempt ended. Takes a bounded time."""


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    """The root of the secrets that sign callbacks, and the User-Agent that sends them."""

    secrets_root: bytes
    user_agent: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt that has ended. A next one, if any, is due at `retry_at_s` on this process's clock."""

    claimed: ClaimedCallback
    attempted: Attempted
    state: State
    retry_at_s: float


class Deliver:
    """One process's deliveries. `render` gives the body: the task as its owner sees it."""

    def __init__(
        self,
        database: Database,
        relaxed: RelaxedDatabase,
        http: Post,
        render: Callable[[Task], bytes],
        settings: DeliverSettings,
    ) -> None:
        self._database = database
        self._relaxed = relaxed
        self._http = http
        self._render = render
        self._settings = settings
        self._bodies = BatchedWriter(database.single_statement, callbacks.store_bodies)
        self._outcomes = BatchedWriter(relaxed.single_statement, _record)
        self._under_way: dict[asyncio.Task[None], ClaimedCallback] = {}
        self._look = asyncio.Event()
        self._give_up_at_s = 0.0
        self._is_stopping = False

    def wake(self) -> None:
        """Look for callbacks now: there may be one to deliver."""
        self._look.set()

    def stop(self) -> None:
        """Look for callbacks once more, then start no more attempts. `run` ends when the running ones have ended."""
        self._is_stopping = True
        self._look.set()

    async def run(self) -> None:
        """Deliver due callbacks until `stop`, and then once more. Cancelling this cancels the attempts under way."""
        try:
            await self._run()
        finally:
            await background_tasks.cancel_all(list(self._under_way))
            await self._bodies.finish()
            await self._outcomes.finish()

    async def _run(self) -> None:
        while not self._is_stopping:
            self._look.clear()
            await self._look_once()
            with contextlib.suppress(TimeoutError):
                # Random, so that processes do not all look at the same time.
                async with asyncio.timeout(LOOK_EVERY_S * random.uniform(0.75, 1.25)):  # noqa: S311 - no secret
                    await self._look.wait()
        await self._look_once()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _look_once(self) -> None:
        try:
            if time.monotonic() >= self._give_up_at_s:
                self._give_up_at_s = time.monotonic() + LOOK_EVERY_S
                await self._give_up_interrupted()
            await self._begin_due()
        except DatabaseUnavailable:
            await asyncio.sleep(BACK_OFF_S)
            self._look.set()
        except Exception:  # the outermost loop: without it no callback would be delivered
            log.exception("delivery_loop_failed")
            await asyncio.sleep(BACK_OFF_S)
            self._look.set()

    async def _begin_due(self) -> None:
        room = self._room()
        if room.count <= 0:
            return
        async with self._relaxed.single_statement() as connection:
            found = await callbacks.claim(connection, room)
        for each in found.claimed:
            attempt = asyncio.create_task(self._attempt(each))
            self._under_way[attempt] = each
            attempt.add_done_callback(self._ended)
        if _took_a_last_place(room, found.claimed):
            # The claim skips a receiver or an account whose places are taken, so another claim may find more.
            self._look.set()
        elif found.lost_count > 0:
            # There may be more behind those that other processes claimed at the same moment.
            asyncio.get_running_loop().call_later(LOST_AGAIN_S, self.wake)

    def _room(self) -> Room:
        whole = Room(AT_ONCE_MAX, PER_RECEIVER_MAX, PER_ACCOUNT_MAX, {}, {})
        return whole.after(self._under_way.values())

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        room, ended = self._room(), self._under_way.pop(attempt)
        if room.count <= 0 or room.is_full_for(ended):
            # Another callback may be waiting for its place.
            self._look.set()

    async def _attempt(self, claimed: ClaimedCallback) -> None:
        try:
            body = claimed.body if claimed.task is None else await self._made_body(claimed.task)
            if body is None:
                return
            parent = await self._traceparent(claimed.task_id)
            with traces.span("callback", parent, "client", {"easel.task_id": claimed.task_id}):
                attempted = await self._http.post(claimed.url, body, self._headers(claimed, body))
                traces.describe({"easel.outcome": attempted.outcome, "easel.attempt": claimed.number})
            await self._note(claimed, attempted, time.monotonic())
        except DatabaseUnavailable:  # the claim expires, and some process retries
            log.warning("callback_outcome_not_saved", task_id=claimed.task_id)
        except Exception:  # one faulty delivery must not stop others; it is retried and finally given up
            log.exception("delivery_failed", task_id=claimed.task_id)

    async def _traceparent(self, task_id: str) -> str | None:
        """Where the task's trace goes on, if traces are recorded. Raises DatabaseUnavailable."""
        if not traces.are_recorded():
            return None
        async with self._database.reading() as connection:
            return await task_traces.find(connection, task_id)

    async def _made_body(self, task: Task) -> bytes | None:
        """The body, which is stored before the first attempt. None if the callback is delivered and deleted."""
        return await _persistently(partial(self._bodies.write, (task.id, self._render(task))))

    def _headers(self, claimed: ClaimedCallback, body: bytes) -> dict[str, str]:
        secrets = webhook.signing_secrets(
            self._settings.secrets_root,
            claimed.account_id,
            claimed.secret_generation,
            is_overlapping=claimed.secret_overlaps,
        )
        signed = webhook.headers(message_id(claimed.task_id), int(claimed.claimed_at.timestamp()), body, secrets)
        traceparent = traces.traceparent()
        traced = {} if traceparent is None else {"traceparent": traceparent}
        return {"content-type": "application/json", "user-agent": self._settings.user_agent, **signed, **traced}

    async def _note(self, claimed: ClaimedCallback, attempted: Attempted, ended_at_s: float) -> None:
        """Save the outcome, and look again when the next attempt is due."""
        measured.callback_attempt(attempted.outcome, claimed.number, attempted.duration_ms / 1000)
        follows = verdict(attempted.outcome, claimed.failures)
        # Counted from the failure, however long saving takes.
        ended = _Ended(claimed, attempted, follows.state, ended_at_s + (follows.retry_in_s or 0))
        is_noted, due_in_s = await _persistently(partial(self._outcomes.write, ended))
        if follows.retry_in_s is not None:
            # Later than the database's own deadline, which began a moment ago: the attempt must be due by then.
            asyncio.get_running_loop().call_later(due_in_s, self.wake)
        _log(claimed, attempted, follows.state, is_noted=is_noted)

    async def _give_up_interrupted(self) -> None:
        async with self._database.single_statement() as connection:
            await callbacks.cap_delays(connection)
            for task_id in await callbacks.give_up_interrupted(connection):
                log.warning("callback_abandoned", task_id=task_id)


async def _persistently(act: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """The result of `act`, which is retried briefly while the database is unavailable. Raises DatabaseUnavailable."""
    for pause_s in _AGAIN_AFTER_S:
        try:
            return await act()
        except DatabaseUnavailable:
            await asyncio.sleep(pause_s)
    return await act()


async def _record(connection: Writer, ended: Sequence[_Ended]) -> list[tuple[bool, float]]:
    """Record outcomes. Returns for each whether it is recorded, and in how many seconds the next attempt is due."""
    now_s = time.monotonic()
    due_in_s = [max(0.0, each.retry_at_s - now_s) for each in ended]
    outcomes = [
        EndedAttempt(each.claimed, each.attempted, each.state, due_s)
        for each, due_s in zip(ended, due_in_s, strict=True)
    ]
    return list(zip(await callbacks.record_outcomes(connection, outcomes), due_in_s, strict=True))


def _took_a_last_place(room: Room, claimed: Sequence[ClaimedCallback]) -> bool:
    """Whether a claim took the last place, in all or of a receiver or account."""
    after = room.after(claimed)
    return after.count <= 0 or any(after.is_full_for(each) for each in claimed)


def _log(claimed: ClaimedCallback, attempted: Attempted, state: State, *, is_noted: bool) -> None:
    # Without the URL, which may hold the receiver's own secrets.
    write = log.warning if state is State.FAILED else log.info
    write(
        "callback_attempted",
        task_id=claimed.task_id,
        attempt=claimed.number,
        outcome=attempted.outcome,
        status_code=attempted.status_code,
        ms=attempted.duration_ms,
        state=state if is_noted else "superseded",
    )
