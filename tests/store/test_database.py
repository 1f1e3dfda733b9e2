"""Transactions are all or nothing, whatever was cancelled on their connections before, and readers cannot write."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from easel.outside.postgres import private_postgres
from easel.store.database import Database, DatabaseFault, DatabaseUnavailable, Reader, Writer
from tests.support.data_folders import prepared_folder

CANCELLATIONS = 400
CANCEL_WITHIN_S = 0.004


class Broken(Exception):
    """Aborts a transaction."""


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


def test_a_cancelled_request_harms_no_later_transaction_on_its_connection(url: str) -> None:
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
def test_an_aborted_transaction_leaves_nothing_in_either_mode_of_its_connection(url: str, *, autocommit: bool) -> None:
    """A cancelled check of the pool may leave a connection in the other mode."""

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


def test_a_completed_transaction_is_committed(url: str) -> None:
    async def run() -> None:
        database = Database(url, connections_max=2)
        await database.open()
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO written VALUES (-1, 'x')")
        async with database.transaction() as connection:
            await connection.execute("DELETE FROM written WHERE number = -1 RETURNING number")
        await database.close()

    asyncio.run(run())


def test_the_error_for_a_rejected_statement_does_not_repeat_the_row(url: str) -> None:
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


def test_a_missing_database_is_unavailable_within_seconds() -> None:
    async def run() -> None:
        database = Database("postgresql://u@127.0.0.1:9/d", connections_max=2)
        await database.open()
        try:
            await use(database)
        finally:
            await database.close()

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(run())


@contextlib.asynccontextmanager
async def opened(url: str, connections_max: int = 1) -> AsyncIterator[Database]:
    database = Database(url, connections_max)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def write(writer: Writer, number: int) -> None:
    await writer.execute("INSERT INTO written VALUES (%s, 'x')", (number,))


WRITES = [
    "INSERT INTO written VALUES (1, 'x')",
    "UPDATE written SET prompt = 'y'",
    "WITH gone AS (DELETE FROM written RETURNING number) SELECT number FROM gone",
    "SELECT number FROM written FOR UPDATE",
]


@pytest.mark.parametrize("statement", WRITES)
def test_postgresql_rejects_what_writes_through_reading(url: str, statement: str) -> None:
    async def run() -> None:
        async with opened(url) as database:
            with pytest.raises(DatabaseFault, match="ReadOnlySqlTransaction 25006"):
                async with database.reading() as reader:
                    await reader.execute(statement.encode())
            with pytest.raises(DatabaseFault, match="ReadOnlySqlTransaction 25006"):
                async with database.reading() as reader, reader.transaction():
                    await reader.execute(statement.encode())
            with pytest.raises(DatabaseFault, match="ReadOnlySqlTransaction 25006"):
                async with database.snapshot() as reader:
                    await reader.execute(statement.encode())

    asyncio.run(run())
    assert written(url) == []


def test_one_connection_serves_readers_and_writers_in_turn_whatever_was_cancelled_on_it(url: str) -> None:
    async def is_read_only(connection: Reader) -> bool:
        row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        return row == ("on",)

    async def run() -> None:
        async with opened(url) as database:
            for number in range(CANCELLATIONS):
                using = asyncio.create_task(use(database) if number % 2 else read(database))
                await asyncio.sleep(CANCEL_WITHIN_S * number / CANCELLATIONS)
                using.cancel()
                await asyncio.wait({using})
                async with database.reading() as reader:
                    assert await is_read_only(reader)
                async with database.single_statement() as writer:
                    assert not await is_read_only(writer)
                with contextlib.suppress(Broken):
                    async with database.reading() as reader, reader.transaction():
                        raise Broken
                async with database.transaction() as writer:
                    assert not await is_read_only(writer)

    async def read(database: Database) -> None:
        async with database.reading() as reader:
            await reader.execute("SELECT 1")

    asyncio.run(run())


async def count(reader: Reader) -> int:
    row = await (await reader.execute("SELECT count(*) FROM written")).fetchone()
    assert row is not None
    return int(row[0])


def test_a_writer_serves_as_a_reader_and_a_reader_never_as_a_writer(url: str) -> None:
    """The type checker holds it too: it reports a `type: ignore` with nothing to ignore."""

    async def run() -> None:
        async with opened(url) as database:
            async with database.single_statement() as writer:
                assert await count(writer) == 0
            with pytest.raises(DatabaseFault):
                async with database.reading() as reader:
                    await write(reader, 1)  # type: ignore[arg-type]

    asyncio.run(run())
    assert written(url) == []


def test_a_snapshot_shows_one_moment(url: str) -> None:
    async def run() -> None:
        async with opened(url, connections_max=2) as database:
            async with database.snapshot() as reader:
                before = await count(reader)
                async with database.single_statement() as writer:
                    await write(writer, 2)
                assert await count(reader) == before == 0
            async with database.transaction() as writer:
                assert await count(writer) == 1
                await writer.execute("DELETE FROM written")

    asyncio.run(run())


def test_a_database_that_its_operator_made_read_only_can_be_read_and_is_unavailable_for_writing(url: str) -> None:
    async def run() -> None:
        async with opened(make_conninfo(url, options="-c default_transaction_read_only=on")) as database:
            for _ in range(2):
                async with database.reading() as reader:
                    assert await count(reader) == 0
                with pytest.raises(DatabaseUnavailable):
                    async with database.single_statement() as writer:
                        await write(writer, 3)

    asyncio.run(run())
