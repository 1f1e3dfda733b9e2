"""Connections to PostgreSQL: limited in number, replaced when they break, and read-only unless a caller asks to write.

A process holds at most `connections_max` of them. While the database is unavailable, every attempt raises
`DatabaseUnavailable`: within seconds if the server refuses connections, within 20 seconds if it accepts them but does
not respond. PostgreSQL rolls back the transactions that are open when a connection breaks. An interrupted COMMIT may
have taken effect, so everything that the service writes is safe to write twice.
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
"""How long a connection counts as alive after it last responded."""
STATEMENT_TIMEOUT_S: Final = 10
TRANSACTION_TIMEOUT_S: Final = 10.0
"""Maximum duration of a transaction, including the wait for a connection. With a silent server, giving up takes twice as
long, because psycopg first asks the server to cancel."""
CONNECTION_SETTINGS: Final[dict[str, Any]] = {
    "application_name": "easel",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # Overrides PGCLIENTENCODING.
    "client_encoding": "UTF8",
    # These detect a server that vanished silently, after about ten seconds.
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
# Not `off`: an operator, or a managed server with a full disk, may have made the database read-only.
_AS_CONFIGURED: Final = "RESET default_transaction_read_only"


class DatabaseUnavailable(EaselError):
    """The database cannot be reached, or the connection to it was lost."""


class DatabaseFault(EaselError):
    """The database rejected a statement, which is a bug in Easel.

    Holds only the error's code and first line. The driver's error would quote the row, including the prompt.
    """


class Reader(AsyncConnection[TupleRow]):
    """A connection for reading. If `Database` provides it, PostgreSQL rejects every statement that writes."""

    is_read_only: bool | None = False
    """Whether the session rejects writes; None while that is unknown."""


class Writer(Reader):
    """A connection that may write. Functions that only read accept it too."""


class _Connections:
    """A pool of connections that can be switched between reading and writing."""

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
        self._checking_all: asyncio.Task[None] | None = None
        self._seen_alive_at_s: WeakKeyDictionary[Writer, float] = WeakKeyDictionary()

    async def open(self) -> None:
        """Start to connect. Does not wait: an unavailable database may be back by the first request."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        if self._checking_all is not None:
            await asyncio.wait({self._checking_all}, timeout=WAIT_FOR_CONNECTION_S)
        await self._pool.close()

    def single_statement(self) -> AbstractAsyncContextManager[Writer]:
        """A connection for one statement, which is its own transaction.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self._lend(TRANSACTION_TIMEOUT_S, is_read_only=False)

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
            raise DatabaseUnavailable(f"not finished within {timeout_s:g} seconds") from error

    async def _check(self, connection: Writer) -> None:
        """Check a connection, unless it responded a moment ago: a check costs as much as a statement."""
        now_s = time.monotonic()
        if now_s - self._seen_alive_at_s.get(connection, 0.0) < ALIVE_FOR_S:
            return
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            # If one connection was cut, others were too. The pool would find them one by one, with growing pauses.
            self._seen_alive_at_s.clear()
            if self._checking_all is None or self._checking_all.done():
                # A separate task, because the pool loses a connection whose check is cancelled.
                self._checking_all = asyncio.create_task(self._check_all())
            raise
        self._seen_alive_at_s[connection] = now_s

    async def _check_all(self) -> None:
        """Let the pool check every connection and replace dead ones. Ignores a closed pool."""
        with contextlib.suppress(psycopg.Error):
            await self._pool.check()

    async def _configure(self, connection: Writer) -> None:
        # Transactions begin with an explicit BEGIN, never with the driver's implicit one. With autocommit off, the
        # pool's check would switch it on and off again. A cancelled check could leave it on, and each statement would
        # then be committed separately.
        await connection.set_autocommit(True)
        await connection.execute("SET datestyle = 'ISO, MDY'")  # overrides PGDATESTYLE
        await connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        # A process that freezes in the middle of a transaction must not keep its locks.
        await connection.execute(f"SET idle_in_transaction_session_timeout = '{STATEMENT_TIMEOUT_S}s'")
        # Every query has an index. Plans are cached, and one that was made while the queue was empty would otherwise
        # scan the whole queue when thousands of jobs wait.
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET enable_sort = off")
        # Without this, PostgreSQL compiles plans that need a sort, because they look expensive. Compiling one takes
        # longer than running it.
        await connection.execute("SET jit = off")


async def _switch(connection: Writer, *, is_read_only: bool) -> None:
    """Set the session's mode. Costs a round trip only if the mode changes."""
    was_read_only = connection.is_read_only
    # Unknown until the connection is returned: an error, or a rollback, may undo the statement below.
    connection.is_read_only = None
    if was_read_only is not is_read_only:
        # With autocommit off, the driver would first begin a transaction, to which this setting would not apply.
        if not connection.autocommit:
            await connection.set_autocommit(True)
        await connection.execute(_READ_ONLY if is_read_only else _AS_CONFIGURED)


def _fault(error: psycopg.Error) -> DatabaseFault:
    return DatabaseFault(f"{type(error).__name__} {error.sqlstate}: {error.diag.message_primary}")


class Database(_Connections):
    """Connections whose commits survive a crash of the database server."""

    def __init__(self, url: str, connections_max: int) -> None:
        super().__init__(url, connections_max)
        self._clock = DatabaseClock(self._read_clock)

    async def now(self) -> datetime:
        """The database's time, to a few milliseconds.

        All stored and displayed times come from here or from the database itself, so this machine's clock does not
        matter. Raises DatabaseUnavailable if the time was never read and cannot be read now.
        """
        now = await self._clock.now()
        if now is None:
            raise DatabaseUnavailable("the database's clock was never read")
        return now

    def reading(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AbstractAsyncContextManager[Reader]:
        """A connection for queries. Each query is its own transaction, so two may see different data.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self._lend(timeout_s, is_read_only=True)

    @asynccontextmanager
    async def snapshot(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AsyncIterator[Reader]:
        """A connection inside a read-only transaction. All queries see the database as of the same moment.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        async with self.reading(timeout_s) as reader, reader.transaction():
            await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield reader

    @asynccontextmanager
    async def transaction(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AsyncIterator[Writer]:
        """A connection inside a transaction, which commits at the end of the block or rolls back if the block raises.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        async with self._lend(timeout_s, is_read_only=False) as writer, writer.transaction():
            yield writer

    async def _read_clock(self) -> datetime | None:
        try:
            async with self.reading() as reader:
                row = await (await reader.execute("SELECT clock_timestamp()")).fetchone()
        except DatabaseUnavailable:
            return None
        assert row is not None
        now: datetime = row[0]
        return now


class RelaxedDatabase(_Connections):
    """Connections whose commits do not wait for the disk, which makes them many times faster.

    A crash of the database server may lose the latest transactions, but never part of one. Meant for data that is soon
    written again, such as progress.
    """

    @property
    def pool(self) -> AsyncConnectionPool[Writer]:
        """The pool itself, for the queue's library."""
        return self._pool

    async def _configure(self, connection: Writer) -> None:
        await super()._configure(connection)
        await connection.execute("SET synchronous_commit = off")
