"""Many writes at once share statements, and each learns its own result."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from easel.live.batched_writer import BATCH_MAX, BatchedWriter
from easel.outside.postgres import private_postgres
from easel.store.database import Database, DatabaseFault, DatabaseUnavailable, Writer
from tests.support.data_folders import prepared_folder
from tests.support.ports import free_port

WRITES = 250


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with one table of positive numbers."""
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE written (number int PRIMARY KEY CHECK (number > 0))")
        yield server.url


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, 2)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


class Table:
    """Writes numbers that are not there yet, and keeps the sizes of the batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.is_broken = False

    async def write(self, connection: Writer, numbers: Sequence[int]) -> list[bool]:
        """Write numbers. Returns for each whether it was new."""
        self.sizes.append(len(numbers))
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError("a bug")
        cursor = await connection.execute(
            "INSERT INTO written SELECT unnest(%s::int[]) ON CONFLICT DO NOTHING RETURNING number", (list(numbers),)
        )
        new = {number for (number,) in await cursor.fetchall()}
        return [number in new for number in numbers]


def test_concurrent_writes_share_statements_and_each_learns_its_own_result(url: str) -> None:
    async def act() -> None:
        table = Table()
        async with opened(url) as database:
            writer = BatchedWriter(database.single_statement, table.write)
            assert await writer.write(1000)
            answers = await asyncio.gather(*(writer.write(1000 + number) for number in range(WRITES)))
            assert answers == [False] + [True] * (WRITES - 1)
        assert table.sizes[0] == 1
        assert sum(table.sizes) == WRITES + 1
        assert max(table.sizes) == BATCH_MAX
        assert len(table.sizes) <= 4

    asyncio.run(act())


def test_a_caller_may_write_again_as_soon_as_its_row_is_written(url: str) -> None:
    async def act() -> None:
        async with opened(url) as database:
            writer = BatchedWriter(database.single_statement, Table().write)

            async def write_one_after_another() -> None:
                for number in range(2000, 2010):
                    assert await writer.write(number)

            await asyncio.wait_for(write_one_after_another(), 10)

    asyncio.run(act())


def test_a_writer_that_is_cancelled_does_not_affect_others(url: str) -> None:
    async def act() -> None:
        table = Table()
        async with opened(url) as database:
            writer = BatchedWriter(database.single_statement, table.write)
            leaving, staying = (asyncio.create_task(writer.write(number)) for number in (1, 2))
            await asyncio.sleep(0)
            leaving.cancel()
            assert await staying
            await writer.finish()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert await writer.write(1) is False, "it was written all the same"

    asyncio.run(act())


def test_a_row_that_the_database_rejects_harms_none_that_shared_its_statement(url: str) -> None:
    async def act() -> None:
        table = Table()
        async with opened(url) as database:
            writer = BatchedWriter(database.single_statement, table.write)
            first = asyncio.gather(*(writer.write(number) for number in (3, -1, 4)), return_exceptions=True)
            await asyncio.sleep(0.001)
            later = asyncio.create_task(writer.write(5))
            new, rejected, also_new = await first
            assert (new, type(rejected), also_new) == (True, DatabaseFault, True)
            assert await later

    asyncio.run(act())


def test_a_write_waits_only_while_as_many_statements_run_as_are_allowed() -> None:
    async def act() -> None:
        let_go = asyncio.Event()
        batches: list[list[int]] = []

        async def write(_connection: Writer, numbers: Sequence[int]) -> list[int]:
            batches.append(list(numbers))
            await let_go.wait()
            return [2 * number for number in numbers]

        @asynccontextmanager
        async def lend() -> AsyncIterator[Any]:
            yield None

        writer = BatchedWriter(lend, write, at_once=2)
        wanted = []
        for number in range(6):
            wanted.append(asyncio.create_task(writer.write(number)))
            await asyncio.sleep(0.001)
        assert batches == [[0], [1]]
        let_go.set()
        assert await asyncio.gather(*wanted) == [0, 2, 4, 6, 8, 10]
        assert batches[2:] == [[2, 3, 4, 5]]

    asyncio.run(act())


def test_writes_during_an_outage_fail_and_none_waits_forever() -> None:
    async def act() -> None:
        async with opened(f"postgresql://127.0.0.1:{free_port()}/nothing") as database:
            writer = BatchedWriter(database.single_statement, Table().write)
            for _ in range(2):
                asked = asyncio.gather(*(writer.write(number) for number in range(1, 9)), return_exceptions=True)
                answers = await asyncio.wait_for(asked, 30)
                assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)

    asyncio.run(act())


def test_a_bug_in_one_batch_leaves_no_other_waiting(url: str) -> None:
    async def act() -> None:
        table = Table()
        table.is_broken = True
        async with opened(url) as database:
            writer = BatchedWriter(database.single_statement, table.write)
            broken = asyncio.gather(*(writer.write(10 + number) for number in range(BATCH_MAX)), return_exceptions=True)
            asking = asyncio.create_task(writer.write(500))
            assert [type(answer) for answer in await broken] == [RuntimeError] * BATCH_MAX
            assert await asyncio.wait_for(asking, 10)

    asyncio.run(act())
