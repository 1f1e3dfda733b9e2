"""Prepares the database role that a pooler connects as: the settings of Easel's sessions become the role's defaults.

Sessions that the pooler opened earlier do not get them. `missing_settings` tells whether a session has them.
"""

from typing import Final

import psycopg
from psycopg import sql

from easel.domain.errors import Unusable
from easel.store import locks
from easel.store.database import DatabaseUnavailable, Reader, Writer
from easel.store.locks import Lock
from easel.store.sessions import SETTINGS, Sessions

_POOLED: Final = Sessions(is_pooled=True, direct_url=None, prepares=False)
_LOOKS: Final = 5


class RoleUnusable(Unusable):
    """The database role cannot be prepared; the message tells the operator why."""


async def prepare(url: str) -> list[str]:
    """Set the role's defaults, if they are not set. Returns the settings that the pooler's session still lacks.

    Raises RoleUnusable with a sentence, DatabaseUnavailable.
    """
    try:
        async with await Writer.connect(url, **_POOLED.connection_settings) as connection:
            await _POOLED.set_up(connection)
            if not await _is_prepared(connection):
                await _prepare(connection)
            return await missing_settings(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        statements = "; ".join(f"ALTER ROLE … SET {name} = '{value}'" for name, value in SETTINGS.items())
        raise RoleUnusable(
            f"Behind a pooler, Easel sets defaults of its database role, which it may not ({error.diag.message_primary}): "
            f"run these as an administrator of the database: {statements}."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error


async def lends_sessions(url: str) -> bool:
    """Whether a pooler lends one server process to several clients in turn, as in its transaction mode."""
    try:
        async with (
            await Writer.connect(url, autocommit=True, **_POOLED.connection_settings) as one,
            await Writer.connect(url, autocommit=True, **_POOLED.connection_settings) as other,
        ):
            # Other clients may come between, but not every time.
            for _ in range(_LOOKS):
                if await _server_process(one) == await _server_process(other):
                    return True
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
    return False


async def _server_process(connection: Reader) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    assert row is not None
    return int(row[0])


async def missing_settings(connection: Reader) -> list[str]:
    """The names of the settings that this session does not have."""
    cursor = await connection.execute(
        "SELECT name FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)"
        " WHERE current_setting(name) IS DISTINCT FROM value",
        (list(SETTINGS), list(SETTINGS.values())),
    )
    return [name for (name,) in await cursor.fetchall()]


async def _is_prepared(connection: Reader) -> bool:
    cursor = await connection.execute(
        """
        SELECT FROM pg_db_role_setting WHERE setconfig @> %s::text[]
            AND setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
            AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        """,
        ([f"{name}={value}" for name, value in SETTINGS.items()],),
    )
    return await cursor.fetchone() is not None


async def _prepare(connection: Writer) -> None:
    async with connection.transaction():
        # If two sessions changed the role at the same time, one would fail.
        await locks.take_in_transaction(connection, Lock.SCHEMA)
        row = await (await connection.execute("SELECT current_user, current_database()")).fetchone()
        assert row is not None
        role, database = (sql.Identifier(name) for name in row)
        for name, value in SETTINGS.items():
            statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
            await connection.execute(statement.format(role, database, sql.Identifier(name), sql.Literal(value)))
