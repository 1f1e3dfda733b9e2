"""Web processes and workers whose connections PgBouncer lends, in its transaction mode, from an operator's
PostgreSQL."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from tools.own_server.pgbouncer import PgBouncer, program
from tools.own_server.postgres import OwnPostgres

from easel.domain.secret import Secret
from easel.store import pooled_role, schema
from tests.support.running_fleet import SECRET, Fleet, Settings

POOL_SIZE: Final = 4
CONNECTIONS_MAX: Final = 30
needs_pgbouncer = pytest.mark.skipif(
    program() is None, reason="pgbouncer (Debian's package of that name) is not installed"
)


class PooledFleet(Fleet):
    """A fleet behind a pooler. Its first web process also reaches the server directly, and listens there."""

    def __init__(self, folder: Path, webs: Sequence[Settings], workers: Sequence[Settings] = (), **more: str) -> None:
        self.server = OwnPostgres(folder, CONNECTIONS_MAX)
        self.pooler = PgBouncer(self.server, POOL_SIZE)
        first, *others = webs
        direct = {"database_direct_url": self.server.url}
        super().__init__(folder, [{**first, **direct}, *others], workers, **more, database_pooler=self.pooler.kind)

    def _start_database(self) -> str:
        self._held.callback(self.server.stop)
        self.server.create()
        self._held.callback(self.pooler.stop)
        self.pooler.start()
        self.environment["EASEL_DATABASE_URL"] = self.pooler.url
        # The other processes cannot create the tables.
        asyncio.run(schema.prepare(self.server.url, Secret(SECRET)))
        # Nor may one of them be the first to use the pooler, whose session would lack the settings.
        asyncio.run(pooled_role.prepare(self.server.url))
        return self.server.url

    @contextmanager
    def database(self) -> Iterator[Connection[TupleRow]]:
        """A connection to the server itself, committed at the end of the block."""
        with psycopg.connect(self.server.url) as connection:
            yield connection
