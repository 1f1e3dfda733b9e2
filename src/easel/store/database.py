"""Connections to PostgreSQL: bounded, self-healing, and in transactions only.

A process holds at most `connections_max` of them. While the database is away every attempt fails within seconds with
`DatabaseUnavailable`; when it is back the next attempt succeeds. What was under way when it went is undone, save that
a commit cut off in the middle may have happened: everything that the service writes bears being written twice.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from easel.domain.errors import EaselError

Connection: TypeAlias = AsyncConnection[TupleRow]

CONNECT_TIMEOUT_S: Final = 5
WAIT_FOR_CONNECTION_S: Final = 3.0
STATEMENT_TIMEOUT_S: Final = 10
CONNECTION_SETTINGS: Final[dict[str, Any]] = {
    "application_name": "easel",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A server that vanishes without a word is noticed after about ten seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class DatabaseUnavailable(EaselError):
    """The database cannot be reached, or went away in the middle."""


class Database:
    """The pool of one process."""

    def __init__(self, url: str, connections_max: int) -> None:
        self.url = url
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs=CONNECTION_SETTINGS,
            min_size=1,
            max_size=connections_max,
            timeout=WAIT_FOR_CONNECTION_S,
            reconnect_timeout=5,
            check=AsyncConnectionPool.check_connection,
            configure=_limit_statements,
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect. Does not wait: a database that is away now may be back for the first request."""
        await self.pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back."""
        await self.pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction, committed at the end of the block, undone if the block raises.

        Raises DatabaseUnavailable.
        """
        try:
            async with self.pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def check(self) -> None:
        """Ask the database anything. Raises DatabaseUnavailable."""
        async with self.transaction() as connection:
            await connection.execute("SELECT 1")


async def _limit_statements(connection: Connection) -> None:
    await connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
    await connection.commit()
