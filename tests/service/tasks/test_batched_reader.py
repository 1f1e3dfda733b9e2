"""Many reads at once share statements, and each gets what is its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from easel.live.batched_reader import BatchedReader
from easel.outside.postgres import private_postgres
from easel.store import tasks
from easel.store.database import TRANSACTION_TIMEOUT_S, Database, DatabaseUnavailable, Reader
from tests.support.ports import free_port
from tests.support.running_service import Service, finish, submit

TASKS = 20
READS = 400


class CountingDatabase(Database):
    """Counts how often it was read."""

    times = 0

    def reading(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AbstractAsyncContextManager[Reader]:
        self.times += 1
        return super().reading(timeout_s)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[CountingDatabase]:
    database = CountingDatabase(url, 4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def test_concurrent_reads_share_statements_and_each_gets_its_own_accounts_task(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client:
        ids = [submit(client)["id"] for _ in range(TASKS)]
        for task_id in ids:
            assert finish(client, task_id)["status"] == "completed"
    with service.database() as connection:
        row = connection.execute("SELECT id FROM accounts WHERE name = %s", (account,)).fetchone()
    assert row is not None
    owner, stranger = row[0], row[0] + 1_000_000

    async def read(url: str) -> None:
        async with opened(url) as database:
            reader = BatchedReader(database, tasks.find_each)
            asked = [(owner if number % 3 else stranger, ids[number % TASKS]) for number in range(READS)]
            found = await asyncio.gather(*(reader.find(each) for each in asked))
            assert database.times <= 3
            for (account_id, task_id), task in zip(asked, found, strict=True):
                assert (task is None) == (account_id == stranger)
                assert task is None or task.id == task_id
            assert await reader.find((owner, "task-unified-1-aaaaaaaa")) is None

    with private_postgres.attach(service.data_dir) as server:
        asyncio.run(read(server.url))


def test_reads_during_an_outage_get_503_and_none_waits_forever() -> None:
    async def read() -> None:
        async with opened(f"postgresql://127.0.0.1:{free_port()}/nothing") as database:
            reader = BatchedReader(database, tasks.find_each)
            for _ in range(2):
                asked = asyncio.gather(
                    *(reader.find((1, f"task-{number}")) for number in range(10)), return_exceptions=True
                )
                answers = await asyncio.wait_for(asked, 30)
                assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)

    asyncio.run(read())


def test_reads_that_fail_by_a_mistake_end_with_it_and_so_do_those_that_wait_behind_them(service: Service) -> None:
    async def read(url: str) -> None:
        are_two_waiting = asyncio.Event()

        async def misread(_connection: Reader, _keys: Sequence[int]) -> Mapping[int, str]:
            await are_two_waiting.wait()
            raise ValueError("a mistake")

        async with opened(url) as database:
            reader = BatchedReader(database, misread)
            first = asyncio.create_task(reader.find(1))
            await asyncio.sleep(0.1)
            second = asyncio.create_task(reader.find(2))
            await asyncio.sleep(0)
            are_two_waiting.set()
            answers = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 30)
            assert [str(answer) for answer in answers] == ["a mistake", "a mistake"]

    with private_postgres.attach(service.data_dir) as server:
        asyncio.run(read(server.url))


def test_a_client_that_disconnects_does_not_affect_others_waiting_for_the_same_task(
    service: Service, account: str
) -> None:
    async def read(url: str) -> None:
        async with opened(url) as database:
            reader = BatchedReader(database, tasks.find_each)
            leaving, staying = (asyncio.create_task(reader.find((1, "task-unified-1-aaaaaaaa"))) for _ in range(2))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert await staying is None

    with private_postgres.attach(service.data_dir) as server:
        asyncio.run(read(server.url))
