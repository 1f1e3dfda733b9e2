"""The queue on a real database: each waiting task goes to one worker, in order, and comes back when it is handed
back."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.domain import task as task_rules
from easel.domain.order import Order
from easel.domain.rate import Quota
from easel.domain.secret import Secret
from easel.domain.task import ErrorCode, Status
from easel.outside.postgres import private_postgres
from easel.store import acceptance, accounts, endings, pace, queue, schema, workers
from easel.store.acceptance import NewTask
from easel.store.accounts import NewKey
from easel.store.admission import AdmissionRequest
from easel.store.database import Writer
from easel.store.queue import Claimed
from easel.store.tasks import Task
from tests.support.data_folders import prepared_folder

ACCOUNTS: Final = 3
CONNECTIONS: Final = 4
MESSAGE: Final = "it is only a test"
_numbers = itertools.count()


@dataclass
class Desk:
    """A queue, its accounts and keys, and two workers. What it does is not rolled back."""

    connections: list[Writer]
    keys: list[tuple[int, int]]
    worker_ids: list[int] = field(default_factory=list)

    @property
    def connection(self) -> Writer:
        return self.connections[0]

    async def begin(self) -> None:
        """Empty the queue and register two workers."""
        await self.connection.execute("UPDATE tasks SET queue_state = NULL, worker_id = NULL")
        await workers.delete_all(self.connection)
        self.worker_ids = [await workers.register(self.connection, 1) for _ in range(2)]

    async def accept(self, account: int = 0) -> Task:
        return await acceptance.accept(self.connection, self.new_task(account))

    async def admit_and_accept(self, connection: Writer, account: int = 0) -> Task:
        """Accept a task in one statement, over this connection."""
        request = AdmissionRequest(self.keys[account][1], 1, 0, Quota("create", 1_000_000), 1_000_000)
        return (await acceptance.admit_and_accept(connection, request, self.new_task(account)))[0]

    def new_task(self, account: int) -> NewTask:
        account_id, api_key_id = self.keys[account]
        return NewTask(
            id=task_rules.new_id(1_700_000_000, next(_numbers)), account_id=account_id, api_key_id=api_key_id,
            request_id="req-test", public_url="http://127.0.0.1", user_group="default", price_microcredits=0,
            order=Order("z-image-turbo", "a heron"), seed=1, estimated_time_s=1, created_at=datetime.now(UTC),
        )  # fmt: skip

    async def claim(self, worker: int = 0, count_max: int = 1, begun_max: int = 1) -> list[Claimed]:
        return await queue.claim(self.connection, self.worker_ids[worker], count_max, begun_max)

    async def state(self, task: Task) -> tuple[object, ...]:
        """A task's state in the queue, and whether it has ended."""
        cursor = await self.connection.execute(
            "SELECT queue_state, worker_id, ended_at IS NOT NULL FROM tasks WHERE id = %s", (task.id,)
        )
        return await cursor.fetchone() or ()

    async def age(self, worker: int, seconds: int) -> None:
        """Make a worker's heartbeat older."""
        await self.connection.execute(
            "UPDATE workers SET heartbeat_at = now() - make_interval(secs => %s) WHERE id = %s",
            (seconds, self.worker_ids[worker]),
        )


OnDesk = Callable[[Callable[[Desk], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def on_desk() -> Iterator[OnDesk]:
    """Runs something on an empty queue."""
    with prepared_folder() as folder, private_postgres.attach(folder) as server, asyncio.Runner() as runner:
        desk = runner.run(_opened(server.url))

        async def alone(act: Callable[[Desk], Awaitable[None]]) -> None:
            await desk.begin()
            await act(desk)

        yield lambda act: runner.run(alone(act))
        for connection in desk.connections:
            runner.run(connection.close())


async def _opened(url: str) -> Desk:
    await schema.prepare(url, Secret("s" * 32))
    connections = [await Writer.connect(url, autocommit=True) for _ in range(CONNECTIONS)]
    keys = []
    for number in range(ACCOUNTS):
        account_id = await accounts.open_account(connections[0], f"account-{number}")
        key = NewKey("", bytes([number]) * 32, "hint", (), None, None, None, None, None)
        keys.append((account_id, (await accounts.add_key(connections[0], account_id, key))[0]))
    return Desk(connections, keys)


def test_a_claim_begins_what_is_drawn_at_once_and_leaves_the_rest_pending(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        accepted = [await desk.accept() for _ in range(3)]
        taken = await desk.claim(count_max=2, begun_max=1)
        assert [claimed.task.id for claimed in taken] == [task.id for task in accepted[:2]]
        assert [claimed.is_begun for claimed in taken] == [True, False]
        assert [claimed.task.status for claimed in taken] == [Status.PROCESSING, Status.PENDING]
        assert taken[0].task.started_at is not None
        assert not any(claimed.was_taken for claimed in taken)
        assert [(await desk.state(task))[0] for task in accepted] == ["taken", "taken", "waiting"]

    on_desk(act)


def test_a_worker_that_the_database_does_not_know_gets_nothing(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.accept()
        await workers.unregister(desk.connection, desk.worker_ids[0])
        assert await desk.claim(0) == []
        assert len(await desk.claim(1)) == 1

    on_desk(act)


def test_concurrent_claims_share_the_waiting_tasks_without_overlap(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        accepted = [await desk.accept(number % ACCOUNTS) for number in range(40)]
        claims = (
            queue.claim(connection, desk.worker_ids[number % 2], 3, 3)
            for number, connection in enumerate(desk.connections)
        )
        taken = [claimed.task.id for claim in await asyncio.gather(*claims) for claimed in claim]
        assert len(taken) == len(set(taken)) == 3 * CONNECTIONS
        in_order = sorted(accepted, key=lambda task: (task.tag, task.position))
        assert set(taken) == {task.id for task in in_order[: len(taken)]}

    on_desk(act)


def test_an_order_that_waits_for_another_of_its_account_gets_the_place_behind_it(on_desk: OnDesk) -> None:
    """The statement began before the other's commit, and must see it all the same."""

    async def act(desk: Desk) -> None:
        first, second, *_ = desk.connections
        async with asyncio.timeout(10), first.transaction():
            before = await desk.admit_and_accept(first)
            waiting = asyncio.create_task(desk.admit_and_accept(second))
            await _blocked(desk.connections[2], second)
        assert (await waiting).tag == before.tag + 2

    on_desk(act)


async def _blocked(connection: Writer, other: Writer) -> None:
    """Wait until the other connection waits for a lock."""
    for _ in range(500):
        cursor = await connection.execute("SELECT cardinality(pg_blocking_pids(%s))", (other.info.backend_pid,))
        if await cursor.fetchone() != (0,):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it waits for no lock")


def test_a_task_handed_back_waits_at_its_place_and_shows_that_it_was_taken(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        first, second = [await desk.accept() for _ in range(2)]
        await desk.claim()
        assert await queue.hand_back(desk.connection, desk.worker_ids[1], [first.id]) == []
        assert await queue.hand_back(desk.connection, desk.worker_ids[0], [first.id, second.id]) == [first.id]
        (again,) = await desk.claim(1)
        assert (again.task.id, again.was_taken) == (first.id, True)

    on_desk(act)


def test_a_task_handed_back_with_a_pause_is_not_taken_before_unless_the_clock_was_set_back(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        task = await desk.accept()
        await desk.claim()
        await queue.hand_back(desk.connection, desk.worker_ids[0], [task.id], pause_s=100.0)
        assert await desk.claim() == []
        await desk.connection.execute("UPDATE tasks SET retry_at = now() + interval '1 day' WHERE id = %s", (task.id,))
        assert len(await desk.claim()) == 1

    on_desk(act)


def test_a_task_that_ends_leaves_the_queue_unless_a_worker_may_have_stored_its_picture(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        taken, waiting, returned, done = [await desk.accept() for _ in range(4)]
        in_worker = [claimed.task.id for claimed in await desk.claim(count_max=1)]
        assert in_worker == [taken.id]
        await desk.connection.execute("UPDATE tasks SET taken_at = now() WHERE id = %s", (returned.id,))
        for task in (taken, waiting, returned):
            assert await endings.fail_from_outside(desk.connection, task.id, ErrorCode.REQUEST_CANCELLED, MESSAGE)
        assert await endings.fail(desk.connection, done.id, ErrorCode.SERVICE_ERROR, MESSAGE)
        states = [(await desk.state(task))[0] for task in (taken, waiting, returned, done)]
        assert states == ["taken", None, "waiting", None]
        (left_over,) = await desk.claim(1)
        assert (left_over.task.id, left_over.is_begun) == (returned.id, False)
        for task in (taken, returned):
            await queue.leave(desk.connection, task.id)
            assert await desk.state(task) == (None, None, True)

    on_desk(act)


def test_an_unfinished_task_never_leaves_the_queue(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        task = await desk.accept()
        await queue.leave(desk.connection, task.id)
        assert await desk.state(task) == ("waiting", None, False)

    on_desk(act)


def test_a_task_that_a_live_worker_has_does_not_end_for_having_waited_too_long(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        task = await desk.accept()
        await desk.claim()
        late = (task.id, ErrorCode.GENERATION_TIMEOUT, MESSAGE)
        assert not await endings.fail_unheld(desk.connection, *late)
        await desk.age(0, int(queue.ABANDONED_AFTER_S) + 1)
        assert await endings.fail_unheld(desk.connection, *late)
        assert await desk.state(task) == (None, None, True)

    on_desk(act)


def test_a_heartbeat_tells_a_worker_what_it_has_and_whether_it_was_forgotten(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        task = await desk.accept()
        await desk.claim()
        beat = await workers.beat(desk.connection, desk.worker_ids[0], is_idle=False)
        assert (beat.is_registered, beat.held) == (True, [task.id])
        assert await workers.census(desk.connection) == workers.Census(live=2, idle=1)
        await desk.age(0, int(workers.STALLED_AFTER_S) + 1)
        assert await queue.has_stalled(desk.connection)
        assert [stalled.task_id for stalled in await queue.stalled(desk.connection)] == [task.id]
        await workers.delete_silent(desk.connection)
        assert not (await workers.beat(desk.connection, desk.worker_ids[0], is_idle=True)).is_registered

    on_desk(act)


def test_a_paused_worker_says_why_and_does_not_count_as_one_that_draws(on_desk: OnDesk) -> None:
    async def act(desk: Desk) -> None:
        for worker_id, reason in zip(desk.worker_ids, ("the lamp is broken", None), strict=True):
            await workers.beat(desk.connection, worker_id, is_idle=reason is None, paused_because=reason)
        assert await workers.census(desk.connection) == workers.Census(live=2, idle=1, paused=1)
        assert await workers.pauses(desk.connection) == ["the lamp is broken"]
        assert (await pace.measure(desk.connection)).workers == 1
        await workers.beat(desk.connection, desk.worker_ids[0], is_idle=True)
        assert await workers.pauses(desk.connection) == []

    on_desk(act)


@dataclass
class Model:
    """Which tasks wait, in the order of their acceptance, and who has the others."""

    waiting: list[Task] = field(default_factory=list)
    held: dict[str, tuple[int, Task]] = field(default_factory=dict)

    def first(self, count: int) -> list[Task]:
        return sorted(self.waiting, key=lambda task: (task.tag, task.position))[:count]


STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["accept", "accept", "claim", "claim", "hand back", "end", "cancel"]),
        st.integers(0, 1),
        st.integers(1, 3),
    ),
    max_size=30,
)


@settings(max_examples=40)
@given(STEPS)
def test_no_task_is_with_two_workers_and_every_claim_takes_the_first_in_line(
    on_desk: OnDesk, steps: list[tuple[str, int, int]]
) -> None:
    async def play(desk: Desk) -> None:
        model = Model()
        for what, worker, count in [*steps, ("claim", 0, 3 * len(steps) + 1)]:
            await _play(desk, model, what, worker, count)
            rows = await desk.connection.execute(
                "SELECT id, queue_state, worker_id FROM tasks WHERE queue_state IS NOT NULL"
            )
            assert set(await rows.fetchall()) == {(task.id, "waiting", None) for task in model.waiting} | {
                (task_id, "taken", desk.worker_ids[holder]) for task_id, (holder, _) in model.held.items()
            }
        assert not model.waiting

    on_desk(play)


async def _play(desk: Desk, model: Model, what: str, worker: int, count: int) -> None:
    if what == "accept":
        model.waiting += [await desk.accept(count - 1) for _ in range(count)]
    elif what == "claim":
        expected = model.first(count)
        taken = await desk.claim(worker, count, count - 1)
        assert [claimed.task.id for claimed in taken] == [task.id for task in expected]
        for task in expected:
            model.waiting.remove(task)
            model.held[task.id] = (worker, task)
    elif what == "hand back":
        own = [task_id for task_id, (holder, _) in model.held.items() if holder == worker]
        assert set(await queue.hand_back(desk.connection, desk.worker_ids[worker], list(model.held))) == set(own)
        model.waiting += [model.held.pop(task_id)[1] for task_id in own]
    elif what == "end" and model.held:
        task_id = next(iter(model.held))
        assert await endings.fail(desk.connection, task_id, ErrorCode.SERVICE_ERROR, MESSAGE)
        del model.held[task_id]
    elif what == "cancel" and model.waiting:
        task = model.waiting.pop()
        assert await endings.fail(desk.connection, task.id, ErrorCode.REQUEST_CANCELLED, MESSAGE)
