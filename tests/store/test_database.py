"""Transactions are all or nothing, whatever was cancelled on their connections before, and readers cannot write."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from easel.outside.postgres import private_postgres
from easel.store.database import ConnectionLost, Database, DatabaseFault, DatabaseUnavailable, Reader, Writer
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


def test_an_announcement_goes_out_over_a_session_that_rejects_writes_and_leaves_it_so(url: str) -> None:
    async def run() -> None:
        async with opened(url, connections_max=1) as database:
            async with database.reading() as reader:
                await count(reader)
            with psycopg.connect(url, autocommit=True) as listener:
                listener.execute("LISTEN announced")
                database.announcer.announce(("announced", "over a reader"))
                await database.announcer.close()
                heard = [notification.payload for notification in listener.notifies(timeout=60, stop_after=1)]
            assert heard == ["over a reader"]
            assert reader.is_read_only, "it was not switched for the announcement"

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


async def terminate_all(url: str) -> None:
    """End every other process that serves a client, and wait until they have ended."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


async def fill(database: Database, connections: int) -> None:
    """Let a database open so many connections."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(connections):
            await stack.enter_async_context(database.single_statement())


def test_when_all_idle_connections_have_been_cut_the_very_next_requests_all_succeed(url: str) -> None:
    async def run() -> None:
        async with opened(url, connections_max=6) as database:
            for _ in range(3):
                await fill(database, 6)
                await terminate_all(url)
                async with asyncio.TaskGroup() as group:
                    for number in range(100, 106):
                        group.create_task(delete(database, number))
                        group.create_task(use(database))
                        group.create_task(database.read(count))

    async def delete(database: Database, number: int) -> None:
        async with database.single_statement() as writer:
            await writer.execute("DELETE FROM written WHERE number = %s", (number,))

    asyncio.run(run())


class Cutter:
    """Passes on what is sent to PostgreSQL. Cuts the connections on which something is sent while `cuts` is positive,
    so that they seem alive until they are used."""

    def __init__(self, url: str) -> None:
        parsed = psycopg.conninfo.conninfo_to_dict(url)
        self._socket = str(Path(str(parsed["host"])) / f".s.PGSQL.{parsed.get('port', 5432)}")
        self.cuts = 0

    async def serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        back = asyncio.create_task(self._pass(from_server, to_client))
        try:
            while (sent := await from_client.read(65536)) and self.cuts == 0:
                to_server.write(sent)
            self.cuts = max(0, self.cuts - 1)
        finally:
            back.cancel()
            to_server.close()
            to_client.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            writer.write(sent)


@contextlib.asynccontextmanager
async def cut_database(url: str) -> AsyncIterator[tuple[Database, Cutter]]:
    """A database with one connection, which goes through a cutter."""
    cutter = Cutter(url)
    server = await asyncio.start_server(cutter.serve, "127.0.0.1")
    async with (
        server,
        opened(make_conninfo(url, host="127.0.0.1", port=server.sockets[0].getsockname()[1])) as database,
    ):
        await use(database)
        yield database, cutter


def test_a_transaction_whose_connection_dies_as_it_begins_takes_another(url: str) -> None:
    async def run() -> None:
        async with cut_database(url) as (database, cutter):
            cutter.cuts = 1
            async with database.transaction() as writer:
                await write(writer, 4)
            async with database.single_statement() as writer:
                await writer.execute("DELETE FROM written WHERE number = 4")

    asyncio.run(run())
    assert written(url) == []


def test_a_query_whose_connection_dies_is_repeated_and_a_write_is_not(url: str) -> None:
    async def run() -> None:
        async with cut_database(url) as (database, cutter):
            assert await database.read(count) == 0
            cutter.cuts = 1
            assert await database.read(count) == 0
            assert cutter.cuts == 0
            async with database.single_statement() as writer:
                await count(writer)
            cutter.cuts = 1
            with pytest.raises(ConnectionLost):
                async with database.single_statement() as writer:
                    await write(writer, 5)

    asyncio.run(run())
    assert written(url) == []
