"""News of tasks: who changes a task's row announces its id, and one listener a process hears of it.

News are a hint and no record: what is announced while a listener is not connected is lost to it, so whoever waits for
news also looks at the rows from time to time.
"""

from collections.abc import AsyncIterator
from typing import Final

import psycopg
from psycopg import sql

from easel.store.database import CONNECTION_SETTINGS, Connection, DatabaseUnavailable

_CHANNEL: Final = "easel_tasks"


def announce(column: str) -> sql.Composed:
    """An expression that announces the task whose id stands in a column; it takes effect with the commit."""
    return sql.SQL("pg_notify({}, {})::text").format(sql.Literal(_CHANNEL), sql.Identifier(column))


async def tell(connection: Connection, task_id: str) -> None:
    """Announce a task. Outside of the transaction that changed it, since announcing within makes others wait: the
    database takes such commits one by one, flush included."""
    await connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, task_id))


async def listen(url: str, silence_s: float) -> AsyncIterator[str | None]:
    """The ids of announced tasks; None first, when listening has begun, and after each `silence_s` without any.

    Raises DatabaseUnavailable when the connection is lost or cannot be had.
    """
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, **CONNECTION_SETTINGS) as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(_CHANNEL)))
            yield None
            while True:
                heard = False
                async for notice in connection.notifies(timeout=silence_s):
                    heard = True
                    yield notice.payload
                if not heard:
                    yield None
                    # A connection that was cut without a word is noticed here.
                    await connection.execute("SELECT 1")
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
