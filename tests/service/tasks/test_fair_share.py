"""Fair shares: an account with many waiting tasks neither delays others nor starves.

The 5,000 tasks of the big account are put into the database by statements: the rows and tags that accepting them one
by one would leave. All other tasks come through the front door or through the store's own functions.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.domain import task as task_rules
from easel.domain.order import Order
from easel.domain.secret import Secret
from easel.domain.task import ErrorCode
from easel.outside.postgres import private_postgres
from easel.store import acceptance, accounts, endings, queue, schema, workers
from easel.store.acceptance import NewTask
from easel.store.accounts import NewKey
from easel.store.database import Writer
from easel.store.tasks import Task
from tests.support.data_folders import prepared_folder
from tests.support.faults import await_draw, events
from tests.support.frozen import nobody_draws
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import finish, submit

_Answer = TypeVar("_Answer")
MANY: Final = 5_000
STEP_S: Final = 0.015
TAG_MAX: Final = 2**31 - 1
ACCOUNTS: Final = 4


@dataclass
class Crowd:
    """A service with one worker, and one account with thousands of waiting tasks."""

    fleet: Fleet

    def started(self) -> list[str]:
        """The ids of tasks in the order in which their draws started."""
        return [line["task_id"] for line in events(self.fleet, "draw_started")]

    def await_draws(self, count: int) -> None:
        """Wait until this many draws have started."""
        eventually(lambda: len(self.started()) >= count)


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    with prepared_folder() as folder, Fleet(folder, [{}], unfinished_max="100000") as running:
        big = running.issue()
        queue_many(running, big.id, MANY)
        running.audit()
        running.start_worker({"blank_step_s": str(STEP_S)})
        yield Crowd(running)


def queue_many(fleet: Fleet, api_key_id: int, count: int) -> None:
    """Add the rows that accepting this many free tasks of one key leaves in an idle service's database."""
    with fleet.database() as connection:
        connection.execute(
            """
            INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
                model, prompt, width_px, height_px, seed, nsfw_check, output_format, estimated_time_s, queue_state, tag)
            SELECT 'task-unified-1700000000-' || lpad(number::text, 8, '0'), account_id, api_keys.id, 'req-many',
                'http://127.0.0.1', 'default', 0, 'z-image-turbo', 'one of many', 376, 376, number, false, 'webp', 1,
                'waiting', 2 * number - 1
            FROM api_keys, generate_series(1, %s) AS number WHERE api_keys.id = %s
            """,
            (count, api_key_id),
        )
        connection.execute(
            "INSERT INTO holds (task_id, account_id, amount_microcredits) SELECT id, account_id, 0 FROM tasks"
        )
        connection.execute("UPDATE api_keys SET unfinished = %s WHERE id = %s", (count, api_key_id))


def test_5000_waiting_tasks_of_one_account_delay_another_by_at_most_one_draw(crowd: Crowd) -> None:
    with crowd.fleet.client(crowd.fleet.issue().key) as client:
        for _ in range(6):
            with nobody_draws(crowd.fleet):
                task = submit(client)
                before = crowd.started()
            assert finish(client, task["id"])["status"] == "completed"
            order = crowd.started()
            assert order.index(task["id"]) - len(before) <= 1, "draws that began between acceptance and this one's"
            crowd.await_draws(len(order) + 2)


def test_three_small_accounts_and_a_large_one_are_drawn_in_turn(crowd: Crowd) -> None:
    each = 6
    keys = [crowd.fleet.issue().key for _ in range(3)]
    owners: dict[str, int] = {}
    with nobody_draws(crowd.fleet):
        for number, key in enumerate(keys):
            for answer in crowd.fleet.race(key, each):
                owners[answer.json()["id"]] = number
    eventually(lambda: set(owners) <= set(crowd.started()))
    order = crowd.started()
    first, last = min(map(order.index, owners)), max(map(order.index, owners))
    turns = [owners.get(task_id, 3) for task_id in order[first : last + 1]]
    drawn = Counter[int]()
    for turn in turns:
        drawn[turn] += 1
        assert max(drawn[number] for number in range(3)) - min(drawn[number] for number in range(3)) <= 1, turns
        assert abs(drawn[3] - drawn[turn]) <= 2, turns
    assert drawn == {0: each, 1: each, 2: each, 3: drawn[3]}


def test_an_account_that_always_has_a_task_waiting_gets_its_share_and_no_more(crowd: Crowd) -> None:
    rounds, ahead = 8, 3
    with crowd.fleet.client(crowd.fleet.issue().key) as client:
        # Several, so that one is waiting also where the next order takes its time.
        own = [submit(client)["id"] for _ in range(ahead)]
        for number in range(rounds):
            await_draw(crowd.fleet, own[number])
            own.append(submit(client)["id"])
    own = own[:rounds]
    order = crowd.started()
    between = order[order.index(own[0]) : order.index(own[-1])]
    others = [task_id for task_id in between if task_id not in own]
    assert rounds - 2 <= len(others) <= rounds + 2


@dataclass
class Line:
    """The store's own functions on a real database, as a submission, a worker and a cancel use them."""

    connection: Writer
    keys: list[tuple[int, int]]
    worker_id: int
    numbers: Iterator[int] = field(default_factory=itertools.count)
    waiting: list[Task] = field(default_factory=list)

    async def submit(self, account: int) -> Task:
        account_id, api_key_id = self.keys[account]
        new = NewTask(
            id=task_rules.new_id(1_700_000_000, next(self.numbers)), account_id=account_id, api_key_id=api_key_id,
            request_id="req-test", public_url="http://127.0.0.1", user_group="default", price_microcredits=0,
            order=Order("z-image-turbo", "a heron"), seed=1, estimated_time_s=1, created_at=datetime.now(UTC),
        )  # fmt: skip
        task = await acceptance.accept(self.connection, new)
        self.waiting.append(task)
        return task

    async def draw(self) -> Task | None:
        """Take the next task as a worker does, and begin it."""
        taken = await queue.claim(self.connection, self.worker_id, 1, 1)
        if not taken:
            return None
        task = taken[0].task
        self.waiting = [other for other in self.waiting if other.id != task.id]
        return task

    async def end(self, task: Task) -> None:
        assert await endings.fail(self.connection, task.id, ErrorCode.SERVICE_ERROR, "it is only a test")

    async def cancel_latest(self, account: int) -> None:
        """Those before it would leave it at its place, behind what others have at theirs."""
        task = [task for task in self.waiting if self.account(task) == account][-1]
        self.waiting.remove(task)
        cancelled = ErrorCode.REQUEST_CANCELLED
        assert await endings.fail_from_outside(self.connection, task.id, cancelled, "it is only a test")

    async def set_clock(self, tag: int) -> None:
        await self.connection.execute("SELECT setval('fair_share_clock', %s)", (tag,))

    def has_waiting(self, account: int) -> bool:
        return any(self.account(task) == account for task in self.waiting)

    def account(self, task: Task) -> int:
        return [account_id for account_id, _ in self.keys].index(task.account_id)


OnLine = Callable[[Callable[[Line], Awaitable[_Answer]]], _Answer]


@pytest.fixture(scope="module")
def on_line() -> Iterator[OnLine[None]]:
    """Runs something on an empty queue, and rolls it back."""
    with prepared_folder() as folder, private_postgres.attach(folder) as server, asyncio.Runner() as runner:
        connection, keys, worker_id = runner.run(opened(server.url))

        async def alone(act: Callable[[Line], Awaitable[None]]) -> None:
            line = Line(connection, keys, worker_id)
            async with connection.transaction(force_rollback=True):
                await line.set_clock(0)
                await act(line)

        yield lambda act: runner.run(alone(act))
        runner.run(connection.close())


async def opened(url: str) -> tuple[Writer, list[tuple[int, int]], int]:
    await schema.prepare(url, Secret("s" * 32))
    connection = await Writer.connect(url, autocommit=True)
    keys = []
    for number in range(ACCOUNTS):
        account_id = await accounts.open_account(connection, f"account-{number}")
        key = NewKey("", bytes([number]) * 32, "hint", (), None, None, None, None, None)
        key_id, _ = await accounts.add_key(connection, account_id, key)
        keys.append((account_id, key_id))
    # No key's limits are counted here, only given back.
    await connection.execute("UPDATE api_keys SET unfinished = 1000000")
    return connection, keys, await workers.register(connection, 1)


class Workers:
    """Draws the next task, so many at once; whether there was one."""

    def __init__(self, line: Line, draws_at_once: int) -> None:
        self._line = line
        self._draws_at_once = draws_at_once
        self._drawing: list[Task] = []
        self._shares = Shares(line)

    async def __call__(self) -> bool:
        if len(self._drawing) == self._draws_at_once:
            await self._line.end(self._drawing.pop(0))
        self._shares.before_draw()
        task = await self._line.draw()
        if task is None:
            return False
        self._shares.drawn(task)
        self._drawing.append(task)
        return True


class Shares:
    """Whether draws were fair: of two accounts that both have tasks waiting at every one of them, neither gets more
    than two ahead of the other."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._ahead: dict[tuple[int, int], int] = {}

    def before_draw(self) -> None:
        pairs = itertools.combinations(range(ACCOUNTS), 2)
        waiting = [pair for pair in pairs if all(map(self._line.has_waiting, pair))]
        self._ahead = {pair: self._ahead.get(pair, 0) for pair in waiting}

    def drawn(self, task: Task) -> None:
        account = self._line.account(task)
        for pair in self._ahead:
            if account in pair:
                self._ahead[pair] += 1 if account == pair[0] else -1
        assert max(map(abs, self._ahead.values()), default=0) <= 2, self._ahead


steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, ACCOUNTS - 1), st.integers(1, 5)),
        st.tuples(st.just("draw"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, ACCOUNTS - 1), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(steps=steps, draws_at_once=st.integers(1, 3))
def test_accounts_with_waiting_tasks_get_equal_shares_and_everything_is_drawn_in_the_end(
    on_line: OnLine[None], steps: list[tuple[str, int, int]], draws_at_once: int
) -> None:
    async def play(line: Line) -> None:
        draw = Workers(line, draws_at_once)
        for what, number, count in steps:
            if what == "submit":
                for _ in range(count):
                    await line.submit(number)
            elif what == "cancel" and line.has_waiting(number):
                await line.cancel_latest(number)
            elif what == "draw":
                for _ in range(number):
                    await draw()
        left = len(line.waiting)
        assert [await draw() for _ in range(left + 1)] == [True] * left + [False]

    on_line(play)


def test_a_newcomer_overtakes_long_queues_but_no_single_earlier_task(
    on_line: OnLine[None],
) -> None:
    async def play(line: Line) -> None:
        for _ in range(50):
            await line.submit(0)
        await line.draw()
        newcomers = [await line.submit(account) for account in (1, 2, 3)]
        drawn = [await line.draw() for _ in newcomers]
        assert [task.id for task in drawn if task is not None] == [task.id for task in newcomers]

    on_line(play)


def test_an_endless_stream_of_newcomers_does_not_starve_a_long_queue(on_line: OnLine[None]) -> None:
    async def play(line: Line) -> None:
        tail = [await line.submit(0) for _ in range(10)][-1]
        drawn = []
        while tail in line.waiting:
            for account in (1, 2, 3):
                if not line.has_waiting(account):
                    await line.submit(account)
            task = await line.draw()
            assert task is not None
            drawn.append(task)
            await line.end(task)
        assert len(drawn) <= 10 * ACCOUNTS + ACCOUNTS

    on_line(play)


def test_repeated_ordering_and_cancelling_gains_no_advantage(on_line: OnLine[None]) -> None:
    async def play(line: Line) -> None:
        for _ in range(20):
            await line.submit(0)
        drawn = Counter[int]()
        for _ in range(20):
            if not line.has_waiting(1):
                await line.submit(1)
                await line.cancel_latest(1)
                await line.submit(1)
            task = await line.draw()
            assert task is not None
            drawn[line.account(task)] += 1
        assert abs(drawn[0] - drawn[1]) <= 2

    on_line(play)


def test_tags_restart_with_an_empty_queue_and_stay_within_their_range(on_line: OnLine[None]) -> None:
    async def play(line: Line) -> None:
        assert (await line.submit(0)).tag == 1
        await line.connection.execute("UPDATE tasks SET tag = %s", (TAG_MAX - 3,))
        await line.set_clock(TAG_MAX)
        last = [await line.submit(account) for account in (0, 0, 0, 1, 1, 1, 2)]
        assert all(task.tag <= TAG_MAX for task in last)
        drawn = [await line.draw() for _ in range(8)]
        assert None not in drawn
        assert (await line.submit(0)).tag == 1

    on_line(play)
