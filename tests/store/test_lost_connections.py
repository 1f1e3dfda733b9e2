"""A connection that ends while it is used is replaced where that is safe, and otherwise counts as lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from easel.outside.postgres import private_postgres
from easel.store.database import ConnectionLost, Database, DatabaseUnavailable
from tests.support.answering_relay import FAREWELL, NONSENSE, relayed
from tests.support.data_folders import prepared_folder


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        yield server.url


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, connections_max=2)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def use(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")


@pytest.mark.parametrize("answer", [FAREWELL, NONSENSE])
def test_a_transaction_whose_connection_ends_as_it_begins_begins_on_another(
    url: str, tmp_path: Path, answer: bytes
) -> None:
    async def run() -> None:
        async with opened(relay) as database:
            await use(database)

    with relayed(url, tmp_path, b"BEGIN", answer, times=1) as relay:
        asyncio.run(run())


@pytest.mark.parametrize("answer", [FAREWELL, NONSENSE])
def test_a_database_whose_connections_end_again_and_again_is_unavailable(
    url: str, tmp_path: Path, answer: bytes
) -> None:
    async def run() -> None:
        async with opened(relay) as database:
            with pytest.raises(DatabaseUnavailable):
                await use(database)
            await use(database)

    with relayed(url, tmp_path, b"BEGIN", answer, times=2) as relay:
        asyncio.run(run())


def test_a_statement_whose_connection_ends_may_have_taken_effect(url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(relay) as database:
            with pytest.raises(ConnectionLost):
                async with database.single_statement() as connection:
                    await connection.execute("SELECT 17")

    with relayed(url, tmp_path, b"SELECT 17", FAREWELL, times=1) as relay:
        asyncio.run(run())
