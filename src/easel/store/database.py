"""Connections to PostgreSQL: limited in number, replaced when they break, and read-only unless a caller asks to write.

A process holds at most `connections_max` of them. While the database is unavailable, every attempt raises
`DatabaseUnavailable`: within seconds if the server refuses connections, within 20 seconds if it accepts them but does
not respond. PostgreSQL rolls back the transactions that are open when a connection breaks. An interrupted COMMIT may
have taken effect, so everything that the service writes is safe to write twice.

No connection is tested before it is used. One on which the server has sent something while it was idle, such as that it
hangs up, is examined first. If a connection dies all the same, BEGIN is repeated over another one, and so is a query
that is passed to `read`. Everything else raises `ConnectionLost`.
"""

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from easel.domain.errors import EaselError
from easel.store.announcer import Announcement, Announcer
from easel.store.database_clock import DatabaseClock
from easel.store.sessions import Sessions

WAIT_FOR_CONNECTION_S: Final = 3.0
TRANSACTION_TIMEOUT_S: Final = 10.0
"""Maximum duration of a transaction, including the wait for a connection. With a silent server, giving up takes twice
as long, because psycopg first asks the server to cancel."""
_FAULTS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)
_ENDED_BY_SERVER: Final = (
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.IdleSessionTimeout,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
_READ_ONLY: Final = "SET default_transaction_read_only = on"
# Not `off`: an operator, or a managed server with a full disk, may have made the database read-only.
_AS_CONFIGURED: Final = "RESET default_transaction_read_only"
# The commit does not wait for the disk: a crash that loses it also ends the connections of all listeners.
_ANNOUNCE: Final = """
    SELECT pg_notify(channel, payload) FROM unnest(%s::text[], %s::text[]) AS announced (channel, payload)
    WHERE set_config('synchronous_commit', 'off', true) IS NOT NULL
"""
_Answer = TypeVar("_Answer")


class DatabaseUnavailable(EaselError):
    """The database cannot be reached, or the connection to it was lost."""


class ConnectionLost(DatabaseUnavailable):
    """The connection died while it was used. What was under way may have taken effect."""


class DatabaseFault(EaselError):
    """The database rejected a statement, which is a bug in Easel.

    Holds only the error's code and first line. The driver's error would quote the row, including the prompt.
    """


class Reader(AsyncConnection[TupleRow]):
    """A connection for reading. If `Database` provides it, and no pooler lends it, PostgreSQL rejects every statement
    that writes."""

    is_read_only: bool | None = False
    """Whether the session rejects writes; None while that is unknown."""
    is_pooled: bool = False
    """Whether a pooler lends the session, which then cannot be switched."""


class Writer(Reader):
    """A connection that may write. Functions that only read accept it too."""


class _Connections:
    """A pool of connections that can be switched between reading and writing."""

    def __init__(self, url: str, connections_max: int, sessions: Sessions | None = None) -> None:
        self.url = url
        self._sessions = sessions or Sessions(is_pooled=False, direct_url=url)
        self._pool: AsyncConnectionPool[Writer] = AsyncConnectionPool(
            url,
            connection_class=Writer,
            kwargs=self._sessions.connection_settings,
            min_size=1,
            max_size=connections_max,
            timeout=WAIT_FOR_CONNECTION_S,
            reconnect_timeout=5,
            check=self._check,
            configure=self._configure,
            open=False,
        )
        self._checking_all: asyncio.Task[None] | None = None

    @property
    def listen_url(self) -> str | None:
        """The URL for listening to notifications; None if only a pooler can be reached, which delivers none."""
        return self._sessions.direct_url

    def pool_figures(self) -> Mapping[str, int]:
        """The pool's statistics, with psycopg_pool's names, such as `pool_size` and `requests_waiting`. Times are in
        milliseconds."""
        return self._pool.get_stats()

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
    async def _lend(
        self, timeout_s: float, *, is_read_only: bool | None, begins: bool = False
    ) -> AsyncIterator[Writer]:
        """A connection in the wanted mode, or in any if that is None, in a transaction if it `begins` one."""
        limit = asyncio.timeout(timeout_s)
        connection: Writer | None = None
        try:
            async with limit, AsyncExitStack() as stack:
                connection = await self._ready(stack, is_read_only=is_read_only, begins=begins)
                yield connection
        except psycopg.errors.ReadOnlySqlTransaction as error:
            if is_read_only:
                raise _fault(error) from None
            # The server has become a standby, or was made read-only.
            raise DatabaseUnavailable(type(error).__name__) from error
        except psycopg.Error as error:
            if not isinstance(error, _FAULTS) and not _is_nonsense(error):
                raise _fault(error) from None
            is_lost = connection is not None and _has_died(connection, error)
            raise (ConnectionLost if is_lost else DatabaseUnavailable)(type(error).__name__) from error
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DatabaseUnavailable(f"not finished within {timeout_s:g} seconds") from error

    async def _ready(self, stack: AsyncExitStack, *, is_read_only: bool | None, begins: bool) -> Writer:
        """A connection that was prepared by `_prepare`. One that turns out to be dead is replaced by another."""
        first = await stack.enter_async_context(self._pool.connection())
        try:
            await _prepare(first, stack, is_read_only=is_read_only, begins=begins)
            return first
        except psycopg.Error as error:
            if not _has_died(first, error):
                raise
        await first.close()
        await stack.aclose()
        second = await stack.enter_async_context(self._pool.connection())
        await _prepare(second, stack, is_read_only=is_read_only, begins=begins)
        return second

    async def _check(self, connection: Writer) -> None:
        """Raise an error if a connection was cut while it was idle."""
        try:
            if _has_unread(connection):
                await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            # If one connection was cut, others were too. The pool would find them one by one, with growing pauses.
            if self._checking_all is None or self._checking_all.done():
                # A separate task, because the pool loses a connection whose check is cancelled.
                self._checking_all = asyncio.create_task(self._check_all())
            raise

    async def _check_all(self) -> None:
        """Let the pool check every connection and replace dead ones. Ignores a closed pool."""
        with contextlib.suppress(psycopg.Error):
            await self._pool.check()

    async def _configure(self, connection: Writer) -> None:
        connection.is_pooled = self._sessions.is_pooled
        await self._sessions.set_up(connection)


async def _clock_timestamp(connection: Reader) -> datetime:
    row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _has_unread(connection: Writer) -> bool:
    """Whether the server has sent something, or has hung up, since the connection was last used. Sends nothing. Raises
    psycopg.OperationalError if the connection is known to be lost."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def _has_died(connection: Writer, error: BaseException) -> bool:
    return connection.closed or isinstance(error, _ENDED_BY_SERVER) or _is_nonsense(error)


def _is_nonsense(error: BaseException) -> bool:
    """Whether the driver could make nothing of what arrived, as when a server or a pooler dies while it answers. An
    error that the server reports has a state."""
    return isinstance(error, psycopg.InternalError) and error.sqlstate is None


async def _prepare(connection: Writer, stack: AsyncExitStack, *, is_read_only: bool | None, begins: bool) -> None:
    """Set the session's mode if one is wanted, and begin a transaction that ends with the stack."""

    async def close_after_nonsense(_: object, error: BaseException | None, __: object) -> None:
        if error is not None and _is_nonsense(error):
            await connection.close()  # its next statement could get the answer of this one

    stack.push_async_exit(close_after_nonsense)
    if is_read_only is not None:
        await _switch(connection, is_read_only=is_read_only)

        def note_mode(error_type: type[BaseException] | None, *_: object) -> bool:
            if error_type is None:
                connection.is_read_only = is_read_only
            return False

        stack.push(note_mode)
    if begins:
        await stack.enter_async_context(connection.transaction())


async def _switch(connection: Writer, *, is_read_only: bool) -> None:
    """Set the session's mode. Costs a round trip only if the mode changes."""
    if connection.is_pooled:
        return
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

    def __init__(self, url: str, connections_max: int, sessions: Sessions | None = None) -> None:
        super().__init__(url, connections_max, sessions)
        self._clock = DatabaseClock(self._read_clock)
        self.announcer = Announcer(self._announce)
        """Announces what was committed, on channels of `store/notifications.py`."""

    async def close(self) -> None:
        """Send the last announcements, and close all connections."""
        await self.announcer.close()
        await super().close()

    async def now(self) -> datetime:
        """The database's time, to a few milliseconds.

        All stored and displayed times come from here or from the database itself, so this machine's clock does not
        matter. Raises DatabaseUnavailable if the time was never read and cannot be read now.
        """
        now = await self._clock.now()
        if now is None:
            raise DatabaseUnavailable("the database's clock was never read")
        return now

    def known_now(self) -> datetime | None:
        """Like `now`, but never asks the database. None before its time was first read or noted."""
        return self._clock.known()

    def note_time(self, now: datetime) -> None:
        """Take over the database's time from an answer that contains it."""
        self._clock.note(now)

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
        async with self._lend(timeout_s, is_read_only=True, begins=True) as reader:
            await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield reader

    def transaction(self, timeout_s: float = TRANSACTION_TIMEOUT_S) -> AbstractAsyncContextManager[Writer]:
        """A connection inside a transaction, which commits at the end of the block or rolls back if the block raises.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        return self._lend(timeout_s, is_read_only=False, begins=True)

    async def read(self, query: Callable[[Reader], Awaitable[_Answer]]) -> _Answer:
        """What a query returns. If its connection dies, it is repeated once over another.

        Raises DatabaseUnavailable, DatabaseFault.
        """
        try:
            async with self.reading() as reader:
                return await query(reader)
        except ConnectionLost:
            async with self.reading() as reader:
                return await query(reader)

    async def _announce(self, announcements: Sequence[Announcement]) -> None:
        channels, payloads = zip(*announcements, strict=True)
        # A session that rejects writes notifies too, so none is switched, which would delay the notification.
        async with self._lend(TRANSACTION_TIMEOUT_S, is_read_only=None) as connection:
            await connection.execute(_ANNOUNCE, (list(channels), list(payloads)))

    async def _read_clock(self) -> datetime | None:
        try:
            return await self.read(_clock_timestamp)
        except DatabaseUnavailable:
            return None


class RelaxedDatabase(_Connections):
    """Connections whose commits do not wait for the disk, which makes them many times faster.

    A crash of the database server may lose the latest transactions, but never part of one. Meant for data that is soon
    written again, such as progress.
    """

    async def _configure(self, connection: Writer) -> None:
        await super()._configure(connection)
        await self._sessions.relax(connection)
