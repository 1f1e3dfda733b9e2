"""Deliver: whoever asked for it is told that a task has ended.

Each process claims callbacks that are due, as many as it has room for, and attempts each of them once; what follows is
written down with the outcome, so that any process may make the next attempt. A receiver that hangs fills its own few
places and nobody else's, and so does an account. When a process dies, its claims run out and others go on: nothing is
lost, and the attempt that it was making may be made twice, under the same id. So may one whose outcome the database
could not take.

It does not promise an order, nor that a receiver which stores a callback and fails to say so gets it only once.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from easel.actions.callback_secrets import signing_secrets
from easel.domain import webhook
from easel.domain.delivery import Attempted, State, message_id, verdict
from easel.live import background_tasks
from easel.store import callbacks, tasks
from easel.store.accounts import CallbackSecrets
from easel.store.callbacks import ClaimedCallback, Room
from easel.store.database import Database, DatabaseUnavailable, Notes
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 256
PER_RECEIVER_MAX: Final = 8
PER_ACCOUNT_MAX: Final = 64
LOOK_EVERY_S: Final = 5.0
"""How soon a callback is found whose announcement was lost, or whose process died."""
BACK_OFF_S: Final = 0.5
_AGAIN_AFTER_S: Final = (0.2, 1.0)
_Answer = TypeVar("_Answer")


class Post(Protocol):
    """What sends one request; it never raises."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempted:
        """What became of it, in bounded time."""


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    """What the callbacks of this installation are signed with, and who says that it sends them."""

    secrets_root: bytes
    user_agent: str


class Deliver:
    """One process's deliveries. `render` gives a task as its reader sees it."""

    def __init__(
        self,
        database: Database,
        notes: Notes,
        http: Post,
        render: Callable[[Task], bytes],
        settings: DeliverSettings,
    ) -> None:
        self._database = database
        self._notes = notes
        self._http = http
        self._render = render
        self._settings = settings
        self._under_way: dict[asyncio.Task[None], ClaimedCallback] = {}
        self._look = asyncio.Event()
        self._give_up_at_s = 0.0
        self._is_stopping = False

    def wake(self) -> None:
        """There may be something to deliver."""
        self._look.set()

    def stop(self) -> None:
        """Begin no more attempts; `run` ends when those under way have."""
        self._is_stopping = True
        self._look.set()

    async def run(self) -> None:
        """Deliver what is due until `stop`, and what is due then; cancelled, break off what is under way."""
        try:
            await self._run()
        finally:
            await background_tasks.cancel_all(list(self._under_way))

    async def _run(self) -> None:
        while not self._is_stopping:
            self._look.clear()
            await self._look_once()
            with contextlib.suppress(TimeoutError):
                # Spread out, so that many processes do not look in step.
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
        except Exception:  # the outermost loop: without it nothing would be delivered any more
            log.exception("delivery_loop_failed")
            await asyncio.sleep(BACK_OFF_S)
            self._look.set()

    async def _begin_due(self) -> None:
        room = self._room()
        if room.count <= 0:
            return
        async with self._notes.noting() as connection:
            claimed = await callbacks.claim(connection, room)
        for each in claimed:
            attempt = asyncio.create_task(self._attempt(each))
            self._under_way[attempt] = each
            attempt.add_done_callback(self._ended)
        if _has_filled(room, claimed):
            # Behind many of one receiver, which are left out once its places are taken, others may be due.
            self._look.set()

    def _room(self) -> Room:
        under_way = self._under_way.values()
        return Room(
            count=AT_ONCE_MAX - len(under_way),
            per_receiver=PER_RECEIVER_MAX,
            per_account=PER_ACCOUNT_MAX,
            at_receivers=Counter(each.receiver for each in under_way),
            of_accounts=Counter(each.account_id for each in under_way),
        )

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        del self._under_way[attempt]
        # Its place may be what another one waits for.
        self._look.set()

    async def _attempt(self, claimed: ClaimedCallback) -> None:
        try:
            body = claimed.body
            if body is None:
                body = await _persistently(partial(self._made_body, claimed.task_id))
            attempted = await self._http.post(claimed.url, body, self._headers(claimed, body))
            await self._note(claimed, attempted, time.monotonic())
        except DatabaseUnavailable:  # the claim runs out, and somebody tries again
            log.warning("callback_outcome_not_saved", task_id=claimed.task_id)
        except Exception:  # one callback's fault is nobody else's; it is tried again, and given up in the end
            log.exception("delivery_failed", task_id=claimed.task_id)

    async def _made_body(self, task_id: str) -> bytes:
        """The body, which is stored before anything is sent."""
        async with self._database.single_statement() as connection:
            (task,) = await tasks.find_all(connection, [task_id])
        async with self._database.single_statement() as connection:
            return await callbacks.store_body(connection, task_id, self._render(task))

    def _headers(self, claimed: ClaimedCallback, body: bytes) -> dict[str, str]:
        kept = CallbackSecrets(claimed.secret_generation, claimed.secret_overlaps, None)
        secrets = signing_secrets(self._settings.secrets_root, claimed.account_id, kept)
        signed = webhook.headers(message_id(claimed.task_id), int(claimed.claimed_at.timestamp()), body, secrets)
        return {"content-type": "application/json", "user-agent": self._settings.user_agent, **signed}

    async def _note(self, claimed: ClaimedCallback, attempted: Attempted, ended_at_s: float) -> None:
        """Write the outcome down, and look again when the next attempt is due."""
        follows = verdict(attempted.outcome, claimed.failures)
        due_in_s = 0.0

        async def note() -> bool:
            nonlocal due_in_s
            # Counted from the failure, however long the writing takes.
            due_in_s = max(0.0, ended_at_s + (follows.retry_in_s or 0) - time.monotonic())
            async with self._notes.noting() as connection:
                return await callbacks.record_outcome(connection, claimed, attempted, follows.state, due_in_s)

        is_noted = await _persistently(note)
        if follows.retry_in_s is not None:
            # From now, since the database's clock began to count a moment ago: it must be due when it is looked for.
            asyncio.get_running_loop().call_later(due_in_s, self.wake)
        _tell(claimed, attempted, follows.state, is_noted=is_noted)

    async def _give_up_interrupted(self) -> None:
        async with self._database.single_statement() as connection:
            await callbacks.cap_delays(connection)
            for task_id in await callbacks.give_up_interrupted(connection):
                log.warning("callback_abandoned", task_id=task_id)


async def _persistently(act: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """What an act gives, tried again for a moment while the database is away. Raises DatabaseUnavailable."""
    for pause_s in _AGAIN_AFTER_S:
        try:
            return await act()
        except DatabaseUnavailable:
            await asyncio.sleep(pause_s)
    return await act()


def _has_filled(room: Room, claimed: Sequence[ClaimedCallback]) -> bool:
    """Whether what was claimed took the last place of a receiver or an account, so that another claim sees further."""
    at_receivers = Counter(room.at_receivers) + Counter(each.receiver for each in claimed)
    of_accounts = Counter(room.of_accounts) + Counter(each.account_id for each in claimed)
    return any(
        at_receivers[each.receiver] >= room.per_receiver or of_accounts[each.account_id] >= room.per_account
        for each in claimed
    )


def _tell(claimed: ClaimedCallback, attempted: Attempted, state: State, *, is_noted: bool) -> None:
    # Never the URL: it may hold the receiver's own secrets.
    told = log.warning if state is State.FAILED else log.info
    told(
        "callback_attempted",
        task_id=claimed.task_id,
        attempt=claimed.number,
        outcome=attempted.outcome,
        status_code=attempted.status_code,
        ms=attempted.duration_ms,
        state=state if is_noted else "superseded",
    )
