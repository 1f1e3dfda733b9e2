"""Writes that are wanted while others are under way share a statement, and each caller gets its own outcome."""

import asyncio
from collections.abc import Sequence

import pytest

from easel.live.gathered_writer import AT_ONCE, GatheredWriter
from easel.store.database import DatabaseFault, DatabaseUnavailable


class Statements:
    """The statements that were sent. Each doubles its numbers when it is `let_go`, unless one of them is wrong."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.let_go = asyncio.Event()
        self.wrong: set[int] = set()
        self.is_available = True

    async def write(self, numbers: Sequence[int]) -> list[int]:
        self.sent.append(list(numbers))
        await self.let_go.wait()
        if not self.is_available:
            raise DatabaseUnavailable("away")
        if self.wrong & set(numbers):
            raise DatabaseFault("wrong")
        return [2 * number for number in numbers]


async def outcomes(statements: Statements, count: int) -> list[int | BaseException]:
    """The outcomes of so many writes that are wanted at once, one statement after the other being let go."""
    writer = GatheredWriter(statements.write)
    wanted = [asyncio.create_task(writer.add(number)) for number in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    statements.let_go.set()
    return await asyncio.gather(*wanted, return_exceptions=True)


def test_a_write_waits_for_no_other_and_those_that_come_meanwhile_share_a_statement() -> None:
    async def run() -> None:
        statements = Statements()
        writer = GatheredWriter(statements.write)
        wanted = []
        for number in range(6):
            wanted.append(asyncio.create_task(writer.add(number)))
            await asyncio.sleep(0.001)
        assert statements.sent == [[number] for number in range(AT_ONCE)]
        statements.let_go.set()
        assert await asyncio.gather(*wanted) == [2 * number for number in range(6)]
        assert statements.sent[AT_ONCE:] == [list(range(AT_ONCE, 6))]

    asyncio.run(run())


def test_what_the_database_rejects_harms_none_that_shared_its_statement() -> None:
    async def run() -> None:
        statements = Statements()
        statements.wrong = {3}
        found = await outcomes(statements, 6)
        assert isinstance(found.pop(3), DatabaseFault)
        assert found == [0, 2, 4, 8, 10]

    asyncio.run(run())


def test_an_unavailable_database_is_told_to_every_caller_and_the_next_write_is_tried() -> None:
    async def run() -> None:
        statements = Statements()
        statements.is_available = False
        assert all(isinstance(found, DatabaseUnavailable) for found in await outcomes(statements, 5))
        statements.is_available = True
        assert await outcomes(statements, 3) == [0, 2, 4]

    asyncio.run(run())


def test_a_caller_that_is_cancelled_stops_no_other() -> None:
    async def run() -> None:
        statements = Statements()
        writer = GatheredWriter(statements.write)
        first, second = (asyncio.create_task(writer.add(number)) for number in (1, 2))
        await asyncio.sleep(0.001)
        first.cancel()
        statements.let_go.set()
        assert await second == 4
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(run())
