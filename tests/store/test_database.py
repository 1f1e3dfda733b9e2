"""A transaction is all or nothing, whatever was broken off on its connection before."""

import asyncio
import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from easel.outside.postgres import private_postgres
from easel.store.database import Database, DatabaseFault, DatabaseUnavailable
from tests.support.data_folders import prepared_folder

CANCELLATIONS = 400
CANCEL_WITHIN_S = 0.004


class Broken(Exception):
    """What breaks a transaction off here."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with one table."""
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute(
                "CREATE TABLE written (number int PRIMARY KEY, prompt text NOT NULL CHECK (prompt <> ''))"
            )
        yield server.url


def written(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM written ORDER BY number")]


async def write_and_break(database: Database, number: int) -> None:
    with contextlib.suppress(Broken):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO written VALUES (%s, 'x')", (number,))
            raise Broken


async def use(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")


def test_what_a_cancelled_request_leaves_of_its_connection_harms_no_later_transaction(url: str) -> None:
    async def run() -> None:
        database = Database(url, connections_max=2)
        await database.open()
        await use(database)
        for number in range(CANCELLATIONS):
            using = asyncio.create_task(use(database))
            await asyncio.sleep(CANCEL_WITHIN_S * number / CANCELLATIONS)
            using.cancel()
            await asyncio.wait({using})
            await write_and_break(database, number)
        await database.close()

    asyncio.run(run())
    assert written(url) == []


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_broken_transaction_leaves_nothing_however_its_connection_was_left(url: str, *, autocommit: bool) -> None:
    """The pool's own check switches autocommit on, and when it is broken off may leave it so."""

    async def run() -> None:
        database = Database(url, connections_max=2)
        await database.open()
        async with database.reading() as connection:
            await connection.set_autocommit(autocommit)
        for number in range(5):
            await write_and_break(database, number)
        await database.close()

    asyncio.run(run())
    assert written(url) == []


def test_a_transaction_that_ends_well_is_kept(url: str) -> None:
    async def run() -> None:
        database = Database(url, connections_max=2)
        await database.open()
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO written VALUES (-1, 'x')")
        async with database.transaction() as connection:
            await connection.execute("DELETE FROM written WHERE number = -1 RETURNING number")
        await database.close()

    asyncio.run(run())


def test_a_statement_that_the_database_refuses_is_told_without_the_row(url: str) -> None:
    async def run() -> None:
        database = Database(url, connections_max=2)
        await database.open()
        try:
            async with database.transaction() as connection:
                await connection.execute("INSERT INTO written VALUES (1, ''), (2, 'a secret prompt')")
        finally:
            await database.close()

    with pytest.raises(DatabaseFault) as told:
        asyncio.run(run())
    assert "CheckViolation 23514" in str(told.value)
    assert "secret prompt" not in str(told.value)
    assert told.value.__suppress_context__, "the driver's own error must not be shown with it"


def test_a_database_that_is_not_there_is_unavailable_within_seconds() -> None:
    async def run() -> None:
        database = Database("postgresql://u@127.0.0.1:9/d", connections_max=2)
        await database.open()
        try:
            await use(database)
        finally:
            await database.close()

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(run())
