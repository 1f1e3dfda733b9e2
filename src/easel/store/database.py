"""Connections to PostgreSQL: bounded in number, replaced when they break, and read-only unless writing was asked for.

A process holds at most `connections_max` of them. While the database is away, every attempt fails with
`DatabaseUnavailable`: within seconds if it refuses connections, within twenty if it accepts them and then stays silent.
When it is back, attempts succeed again. Transactions that were open when it went away are rolled back. A COMMIT that
was cut off may have taken effect, so everything that the service writes is safe to write twice.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from easel.domain.errors import EaselError
from easel.store.database_clock import DatabaseClock

CONNECT_TIMEOUT_S: Final = 5
WAIT_FOR_CONNECTION_S: Final = 3.0
ALIVE_FOR_S: Final = 0.5
"""How long a connection that answered counts as alive without another check."""
STATEMENT_TIMEOUT_S: Final = 10
TRANSACTION_TIMEOUT_S: Final = 10.0
"""Longest that a transaction may take, waiting for its connection included. Giving up on a silent server takes as long
again, because psycopg asks it to cancel first."""
CONNECTION_SETTINGS: Final[dict[str, Any]] = {
    "application_name": "easel",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # Easel reads and writes these forms, whatever PGCLIENTENCODING and PGDATESTYLE say.
    "client_encoding": "UTF8",
    # A server that vanishes silently is noticed after about ten seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

_FAULTS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)
_READ_ONLY: Final = "SET default_transaction_read_only = on"
# Not `off`: an operator, or a server whose disk is full, may have made the database read-only.
_AS_CONFIGURED: Final = "RESET default_transaction_read_only"


class DatabaseUnavailable(EaselError):
    """The database cannot be reached, or went away in the middle."""


class DatabaseFault(EaselError):
    """The database rejected a statement, which is a bug in Easel.

    Holds only the error's code and first line: the driver's own error repeats the row, and with it the prompt.
    """


class Reader(AsyncConnection[TupleRow]):
    """A connection for reading. Where it comes from `Database`, PostgreSQL rejects every statement on it that writes."""

    is_read_only: bool | None = False
    """Whether the session rejects writes; None while that is unknown."""


class Writer(Reader):
    """A connection that may write. Functions that only read accept it too."""


class _Connections:
    """One process's pool of connections. Each can be switched between reading and writing."""

    def __init__(self, url: str, connections_max: int) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[Writer] = AsyncConnectionPool(
            url,
            connection_class=Writer,
            kwargs=CONNECTION_SETTINGS,
            min_size=1,
            max_size=connections_max,
            timeout=WAIT_FOR_CONNECTION_S,
            reconnect_timeout=5,
            check=self._check,
            configure=self._configure,
            open=False,
        )
        self._sweeping: asyncio.Task[None] | None = None
        self._seen_alive_at_s: WeakKeyDictionary[Writer, float] = WeakKeyDictionary()

    async def open(self) -> None:
        """Begin to connect. Does not wait: a database that is away now may be back for the first request."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        if self._sweeping is not None:
            await asyncio.wait({self._sweeping}, timeout=WAIT_FOR_CONNECTION_S)
        await self._pool.close()

    @asynccontextmanager
    async def _lend(self, timeout_s: float, *, is_read_only: bool) -> AsyncIterator[Writer]:
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit, self._pool.connection() as connection:
                await _switch(connection, is_read_only=is_read_only)
                yield connection
                connection.is_read_only = is_read_only
        except psycopg.errors.ReadOnlySqlTransaction as error:
            if is_read_only:
                raise _fault(error) from None
            # The server has become a standby, or was made read-only.
            raise DatabaseUnavailable(type(error).__name__) from error
        except _FAULTS as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        except psycopg.Error as error:
            raise _fault(error) from None
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DatabaseUnavailable(f"no end within {timeout_s:g} seconds") from error

    async def _check(self, connection: Writer) -> None:
        """Check that a connection is alive, unless it was a moment ago: a check costs as much as a statement."""
        now_s = time.monotonic()
        if now_s - self._seen_alive_at_s.get(connection, 0.0) < ALIVE_FOR_S:
            return
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            # Where one connection was cut, others were too. The pool would find them one by one, with growing pauses.
            self._seen_alive_at_s.clear()
            if self._sweeping is None or self._sweeping.done():
                # A task of its own, because the pool loses a connection whose check is cancelled.
                self._sweeping = asyncio.create_task(self._sweep())
            raise
        self._seen_alive_at_s[connection] = now_s

    async def _sweep(self) -> None:
        """Check every connection now. The pool replaces dead ones, and a closed pool has none."""
        with contextlib.suppress(psycopg.Error):
            await self._pool.check()

    async def _configure(self, connection: Writer) -> None:
        # Transactions begin with an explicit BEGIN, never with the driver's implicit one. Without autocommit the pool's
        # check switches it on and off, and a cancelled check can leave it on. What looks like a transaction is none then.
        await connection.set_autocommit(True)
        await connection.execute("SET datestyle = 'ISO, MDY'")
        await connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        # A process that freezes in the middle of a transaction must not keep its locks.
        await connection.execute(f"SET idle_in_transaction_session_timeout = '{STATEMENT_TIMEOUT_S}s'")
        # Every query has an index, and plans are cached: one that was made while the queue was empty would otherwise
        # scan the whole queue when thousands wait.
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET enable_sort = off")
        # Compiling a plan takes longer than running any of ours, and a plan that has to sort looks expensive.
        await connection.execute("SET jit = off")


async def _switch(connection: Writer, *, is_read_only: bool) -> None:
    """Set the session's mode. Costs a round trip only if the mode changes."""
    was_read_only = connection.is_read_only
    # Unknown until the connection is returned: an error, or a rollback, may undo the statement below.
    connection.is_read_only = None
    if was_read_only is not is_read_only:
        # Without autocommit the driver would begin a transaction first, which the statement would not affect.
        if not connection.autocommit:
            await connection.set_autocommit(True)
        await connection.execute(_READ_ONLY if is_read_only else _AS_CONFIGURED)


def _fault(error: psycopg.Error) -> DatabaseFault:
    return DatabaseFault(f"{type(error).__name__} {error.sqlstate}: {error.diag.message_primary}")


class Database(_Connections):
    """Connections whose commits survive a crash of the database's machine."""

    def __init__(self, url: str, connections_max: int) -> None:
        super().__init__(url, connections_max)
        self._clock = DatabaseClock(self._read_clock)

    async def now(self) -> datetime:
        """The database's time, to a few milliseconds.

        Every time that is stored or shown comes from here or from the database itself, so that this machine's clock does
        not matter. Raises DatabaseUnavailable where the time was never read and cannot be read now.
        """
        now = await self._clock.now()
        if now is None:
            raise DatabaseUnavailable("its clock was never read")
        return now

    def reading(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AbstractAsyncContextManager[Reader]:
        """A connection for queries. Each is a transaction by itself, so two may see different data.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self._lend(timeout_s, is_read_only=True)

    @asynccontextmanager
    async def snapshot(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AsyncIterator[Reader]:
        """A connection inside one read-only transaction, whose queries all see the database as of one moment.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        async with self.reading(timeout_s) as reader, reader.transaction():
            await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield reader

    @asynccontextmanager
    async def transaction(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AsyncIterator[Writer]:
        """A connection inside one transaction, committed at the end of the block, rolled back if the block raises.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        async with self._lend(timeout_s, is_read_only=False) as writer, writer.transaction():
            yield writer

    def single_statement(self) -> AbstractAsyncContextManager[Writer]:
        """A connection for one statement, which is a transaction by itself.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self._lend(TRANSACTION_TIMEOUT_S, is_read_only=False)

    async def _read_clock(self) -> datetime | None:
        try:
            async with self.reading() as reader:
                row = await (await reader.execute("SELECT clock_timestamp()")).fetchone()
        except DatabaseUnavailable:
            return None
        assert row is not None
        now: datetime = row[0]
        return now


class Notes(_Connections):
    """Connections whose commits do not wait for the disk, which makes them many times faster.

    A crash of the database's machine may lose the last moments, but never part of a transaction. Good for what is
    written again anyway, such as progress.
    """

    @property
    def pool(self) -> AsyncConnectionPool[Writer]:
        """The pool itself, for the queue's library."""
        return self._pool

    def noting(self) -> AbstractAsyncContextManager[Writer]:
        """A connection for statements that are each a transaction of their own.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self._lend(TRANSACTION_TIMEOUT_S, is_read_only=False)

    async def _configure(self, connection: Writer) -> None:
        await super()._configure(connection)
        await connection.execute("SET synchronous_commit = off")
