"""Notifications about tasks: code that changes a task's row announces its id, and each process has one listener.

Web processes listen for every change. Workers listen only for tasks that someone other than their own worker ended, and
for callbacks to deliver: with hundreds of workers, telling each what all others do would cost more than drawing.

Notifications are a hint, not a record. A listener misses announcements while it is not connected, so code that
waits for a notification must also poll the rows.
"""

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum

import psycopg
from psycopg import sql

from easel.store.database import DatabaseUnavailable, Writer
from easel.store.sessions import CONNECTION_SETTINGS


class Channel(StrEnum):
    """The channels that can be listened to."""

    CHANGES = "easel_tasks"
    WORKERS = "easel_cancels"  # named for its first use; processes of two versions may run side by side


def announce(column: str) -> sql.Composed:
    """An expression that announces the task whose id a column holds. It takes effect at commit."""
    return sql.SQL("pg_notify({}, {})::text").format(sql.Literal(Channel.CHANGES.value), sql.Identifier(column))


async def notify(connection: Writer, task_id: str, channel: Channel = Channel.CHANGES) -> None:
    """Announce a task. Call this outside the transaction that changed the task.

    PostgreSQL commits transactions that notify one at a time, including the flush to disk, so others would wait.
    """
    await connection.execute("SELECT pg_notify(%s, %s)", (channel, task_id))


async def listen(url: str | None, channel: Channel, look_every_s: float) -> AsyncIterator[str | None]:
    """Ids of announced tasks, and None from time to time.

    The first None says that listening has begun; more follow every `look_every_s`, however many tasks are announced.
    Without a URL, there is nothing to listen to, and only None comes. Raises DatabaseUnavailable when the connection fails.
    """
    while url is None:
        yield None
        await asyncio.sleep(look_every_s)
    try:
        async with await Writer.connect(url, autocommit=True, **CONNECTION_SETTINGS) as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield None
            while True:
                async for notice in connection.notifies(timeout=look_every_s):
                    yield notice.payload
                yield None
                # This detects a connection that was cut silently.
                await connection.execute("SELECT 1")
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
