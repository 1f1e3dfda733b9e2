"""News of tasks: who changes a task's row announces its id, and one listener a process hears of it.

Web processes hear of every change, workers only of tasks that others than the worker which drew them have ended, or
have work with: among hundreds of workers, each hearing what all others do would cost more than the drawing.

News are a hint and no record: what is announced while a listener is not connected is lost to it, so whoever waits for
news also looks at the rows from time to time.
"""

from collections.abc import AsyncIterator
from enum import StrEnum

import psycopg
from psycopg import sql

from easel.store.database import CONNECTION_SETTINGS, DatabaseUnavailable, Writer


class Channel(StrEnum):
    """What there is to listen to."""

    CHANGES = "easel_tasks"
    WORKERS = "easel_cancels"  # what the first version told them of; processes of two versions may work side by side


def announce(column: str) -> sql.Composed:
    """An expression that announces the task whose id stands in a column; it takes effect with the commit."""
    return sql.SQL("pg_notify({}, {})::text").format(sql.Literal(Channel.CHANGES.value), sql.Identifier(column))


async def tell(connection: Writer, task_id: str, channel: Channel = Channel.CHANGES) -> None:
    """Announce a task. Outside of the transaction that changed it, since announcing within makes others wait: the
    database takes such commits one by one, flush included."""
    await connection.execute("SELECT pg_notify(%s, %s)", (channel, task_id))


async def listen(url: str, channel: Channel, look_every_s: float) -> AsyncIterator[str | None]:
    """The ids of announced tasks; None first, when listening has begun, and then every `look_every_s`, however many are
    announced meanwhile.

    Raises DatabaseUnavailable when the connection is lost or cannot be had.
    """
    try:
        async with await Writer.connect(url, autocommit=True, **CONNECTION_SETTINGS) as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield None
            while True:
                async for notice in connection.notifies(timeout=look_every_s):
                    yield notice.payload
                yield None
                # A connection that was cut without a word is noticed here.
                await connection.execute("SELECT 1")
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
