"""Connections to PostgreSQL: bounded, self-healing, and in transactions only.

A process holds at most `connections_max` of them. While the database is away every attempt fails within seconds with
`DatabaseUnavailable`, and within twenty where it accepts connections and then says nothing; when it is back, attempts
succeed again. What was under way when it went is undone, save that a commit cut off in the middle may have happened:
everything that the service writes bears being written twice.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from easel.domain.errors import EaselError
from easel.store.database_clock import DatabaseClock

Connection: TypeAlias = AsyncConnection[TupleRow]

CONNECT_TIMEOUT_S: Final = 5
WAIT_FOR_CONNECTION_S: Final = 3.0
ALIVE_FOR_S: Final = 0.5
"""How long a connection that was seen alive is believed to be."""
STATEMENT_TIMEOUT_S: Final = 10
TRANSACTION_TIMEOUT_S: Final = 10.0
"""Longest that a transaction may take, its connection included. Giving up on a server that is silent takes as long
again: psycopg asks it to cancel first."""
CONNECTION_SETTINGS: Final[dict[str, Any]] = {
    "application_name": "easel",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # What Easel writes and reads is in these forms, whatever PGCLIENTENCODING and PGDATESTYLE want for others.
    "client_encoding": "UTF8",
    # A server that vanishes without a word is noticed after about ten seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


_FAULTS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    # A server that has become a standby: its successor will write.
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
)


class DatabaseUnavailable(EaselError):
    """The database cannot be reached, or went away in the middle."""


class DatabaseFault(EaselError):
    """The database refused a statement, which is a fault of ours.

    Holds the refusal's code and its first line only: the driver's own error repeats the row, and with it the prompt.
    """


class Database:
    """A pool of one process.

    Where it `waits_for_disk`, what was committed survives whatever happens. Where it does not, the last moments before
    a crash of the database's machine may be lost, though never a part of a transaction: good for what is written again
    by itself, such as progress, and many times faster.
    """

    def __init__(self, url: str, connections_max: int, *, waits_for_disk: bool = True) -> None:
        self.url = url
        self._waits_for_disk = waits_for_disk
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs=CONNECTION_SETTINGS,
            min_size=1,
            max_size=connections_max,
            timeout=WAIT_FOR_CONNECTION_S,
            reconnect_timeout=5,
            check=self._check,
            configure=self._configure,
            open=False,
        )
        self._clock = DatabaseClock(self._read_clock)
        self._sweeping: asyncio.Task[None] | None = None
        self._seen_alive_at_s: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()

    async def now(self) -> datetime:
        """What the database takes the time to be, to a few milliseconds. Whatever is stored or shown has its time from
        here or from the database itself, so that this machine's clock does not matter.

        Raises DatabaseUnavailable where it was never asked and cannot be asked now.
        """
        now = await self._clock.now()
        if now is None:
            raise DatabaseUnavailable("its clock was never read")
        return now

    async def open(self) -> None:
        """Begin to connect. Does not wait: a database that is away now may be back for the first request."""
        await self.pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back."""
        if self._sweeping is not None:
            await asyncio.wait({self._sweeping}, timeout=WAIT_FOR_CONNECTION_S)
        await self.pool.close()

    @asynccontextmanager
    async def transaction(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AsyncIterator[Connection]:
        """A connection inside one transaction, committed at the end of the block, undone if the block raises.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        async with self.reading(timeout_s) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def reading(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AsyncIterator[Connection]:
        """A connection for statements that each stand alone and only read; nothing holds them together.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit, self.pool.connection() as connection:
                yield connection
        except _FAULTS as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        except psycopg.Error as error:
            raise DatabaseFault(f"{type(error).__name__} {error.sqlstate}: {error.diag.message_primary}") from None
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DatabaseUnavailable(f"no end within {timeout_s:g} seconds") from error

    def single_statement(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for one statement, which is a transaction by itself.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self.reading()

    def noting(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for single statements that write what is written again by itself, should it get lost.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        assert not self._waits_for_disk, "notes need not wait for the disk"
        return self.reading()

    async def _read_clock(self) -> datetime | None:
        try:
            async with self.reading() as connection:
                row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
        except DatabaseUnavailable:
            return None
        assert row is not None
        now: datetime = row[0]
        return now

    async def _check(self, connection: Connection) -> None:
        """Whether a connection still lives, unless that was seen a moment ago: asking costs as much as a statement."""
        now_s = time.monotonic()
        if now_s - self._seen_alive_at_s.get(connection, 0.0) < ALIVE_FOR_S:
            return
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            # Where one connection was cut, others were. The pool would find them one by one, with ever longer pauses.
            self._seen_alive_at_s.clear()
            if self._sweeping is None or self._sweeping.done():
                # A task of its own, because the pool loses connections whose check is cancelled.
                self._sweeping = asyncio.create_task(self._sweep())
            raise
        self._seen_alive_at_s[connection] = now_s

    async def _sweep(self) -> None:
        """Look at every connection now. One that is dead is the pool's to replace, and a closed pool has none."""
        with contextlib.suppress(psycopg.Error):
            await self.pool.check()

    async def _configure(self, connection: Connection) -> None:
        # Transactions begin by an explicit BEGIN, never by the driver's own. Outside autocommit the pool's check switches
        # it on and off, and a check that is broken off can leave it on; what looked like a transaction then is none.
        await connection.set_autocommit(True)
        await connection.execute("SET datestyle = 'ISO, MDY'")
        await connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        # A process that is frozen in the middle of a transaction must not keep its locks from the others.
        await connection.execute(f"SET idle_in_transaction_session_timeout = '{STATEMENT_TIMEOUT_S}s'")
        # What is asked here stands in an index, and plans are kept: one that was made while the queue was empty would
        # go on looking through all of it when thousands wait.
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET enable_sort = off")
        # Compiling a plan takes longer than any of ours runs, and a plan that must sort after all looks costly.
        await connection.execute("SET jit = off")
        if not self._waits_for_disk:
            await connection.execute("SET synchronous_commit = off")
