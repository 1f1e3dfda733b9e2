"""What a backup needs from a snapshot of the database: its id, which lets other connections read it too, and its
contents.

It also reads databases that an older version of Easel has left behind, before they are migrated.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg.rows import class_row

from easel.store.database import Reader

_NAMES_AT_ONCE: Final = 1000

_NAMES: Final[LiteralString] = "SELECT picture_name FROM tasks WHERE picture_name IS NOT NULL"
_NOT_WITHDRAWN: Final[LiteralString] = " AND picture_withdrawn_at IS NULL"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot's id, and what it contains. `unfinished` counts the tasks that have not ended."""

    id: str
    postgres_major: int
    migrations: list[str]
    secret_fingerprint: bytes
    accounts: int
    tasks: int
    unfinished: int


async def take(connection: Reader) -> Snapshot | None:
    """Export a `Database.snapshot`, which may then take long and be idle; None where the database has no Easel
    tables."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    if not await _holds(connection, "SELECT FROM pg_class WHERE oid = to_regclass('installation')"):
        return None
    cursor = connection.cursor(row_factory=class_row(Snapshot))
    await cursor.execute(
        """
        SELECT pg_export_snapshot() AS id, current_setting('server_version_num')::int / 10000 AS postgres_major,
            ARRAY (SELECT name FROM easel_migrations ORDER BY name) AS migrations,
            (SELECT secret_fingerprint FROM installation) AS secret_fingerprint,
            (SELECT count(*) FROM accounts) AS accounts,
            (SELECT count(*) FROM tasks) AS tasks,
            (SELECT count(*) FROM tasks WHERE status IN ('pending', 'processing')) AS unfinished
        """
    )
    return await cursor.fetchone()


async def picture_names(connection: Reader) -> AsyncIterator[str]:
    """The names of all pictures that tasks show, as of the snapshot."""
    async with connection.cursor(name="picture_names") as cursor:
        cursor.itersize = _NAMES_AT_ONCE
        await cursor.execute(await _names(connection))
        async for (name,) in cursor:
            yield name


async def _names(connection: Reader) -> LiteralString:
    column = "SELECT FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attname = 'picture_withdrawn_at'"
    return _NAMES + (_NOT_WITHDRAWN if await _holds(connection, column) else "")


async def _holds(connection: Reader, query: LiteralString) -> bool:
    return await (await connection.execute(query)).fetchone() is not None
