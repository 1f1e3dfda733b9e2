"""How a process's database sessions behave: on connections of its own, or on connections that a pooler lends.

A pooler in transaction mode lends a connection for one transaction, to one client after another. Whatever a session
would keep longer is lost, or reaches other clients: settings, prepared statements, locks and notifications. Behind such
a pooler, the settings are defaults of the database role, and notifications need a connection that avoids the pooler.
Every statement is planned anew, unless the pooler knows prepared statements, as PgBouncer does since 1.22. Readers are
then read-only by their type alone.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.abc import Params, Query
from psycopg.pq import Format, PipelineStatus
from psycopg.rows import TupleRow
from psycopg.sql import Composable

CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_S: Final = 10
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
SETTINGS: Final = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    # A process that freezes in the middle of a transaction must not keep its locks.
    "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_S}s",
    # Every query has an index. Plans are cached, and one that was made while the queue was empty would otherwise scan
    # the whole queue when thousands of tasks wait.
    "enable_seqscan": "off",
    "enable_sort": "off",
    # Without this, PostgreSQL compiles plans that need a sort, because they look expensive. Compiling one takes longer
    # than running it.
    "jit": "off",
}
"""Settings of every session of the service."""
# Overrides PGDATESTYLE. PgBouncer keeps this one setting for each of its clients.
_DATE_STYLE: Final = "SET datestyle = 'ISO, MDY'"
_WITHOUT_WAITING: Final = b"; SET LOCAL synchronous_commit = off"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Whether a pooler lends the connections, whether it knows prepared statements, and the database's URL without it.

    `direct_url` is for listening to notifications and for migrations. It is None where only the pooler can be reached.
    """

    is_pooled: bool
    direct_url: str | None
    prepares: bool = True

    @property
    def connection_settings(self) -> dict[str, Any]:
        """The arguments for new connections."""
        return CONNECTION_SETTINGS | ({} if self.prepares else {"prepare_threshold": None})

    async def set_up(self, connection: AsyncConnection[TupleRow]) -> None:
        """Set up a new connection for the service's statements."""
        # Transactions begin with an explicit BEGIN, never with the driver's implicit one. With autocommit off, a check
        # of the connection would switch it on and off again. A cancelled check could leave it on, and each statement
        # would then be committed separately.
        await connection.set_autocommit(True)
        await connection.execute(_DATE_STYLE)
        if not self.is_pooled:
            await connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in SETTINGS.items()).encode())

    async def relax(self, connection: AsyncConnection[TupleRow]) -> None:
        """Let the commits of a new connection not wait for the disk. They wait where a pooler knows prepared
        statements, because planning would cost more than waiting."""
        if not self.is_pooled:
            await connection.execute("SET synchronous_commit = off")
        elif not self.prepares:
            connection.cursor_factory = _RelaxedCursor


class _RelaxedCursor(AsyncClientCursor[TupleRow]):
    """A cursor whose statement is a transaction that does not wait for the disk, without a setting of the session.

    Both statements are one message, so they are one transaction and one round trip. The first one's result counts.
    """

    async def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """Execute a statement."""
        text = query.encode() if isinstance(query, str) else query
        as_bytes = text.as_bytes(self) if isinstance(text, Composable) else text
        assert isinstance(as_bytes, bytes), "Easel has no template strings"
        if self.connection.pgconn.pipeline_status is not PipelineStatus.OFF:
            return await super().execute(as_bytes, params)
        self.format = Format.TEXT  # a message with two statements has no other
        return await super().execute(as_bytes + _WITHOUT_WAITING, params)
