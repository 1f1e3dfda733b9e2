"""Notifications about tasks: code that changes a task's row announces its id, and each process has one listener.

Web processes listen for every change. Workers listen only for tasks that someone other than their own worker ended, for
callbacks to deliver, and for tasks that wait to be drawn: with hundreds of workers, telling each what all others do
would cost more than drawing.

What a transaction changed is announced after its commit, through `Database.announcer`: PostgreSQL commits transactions
that notify one at a time, including the flush to disk, so others would wait. Only statements whose commits do not wait
for the disk announce by themselves.

Notifications are a hint, not a record. A listener misses announcements while it is not connected, so code that
waits for a notification must also poll the rows.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import sql

from easel.store.database import DatabaseUnavailable, Writer
from easel.store.sessions import CONNECTION_SETTINGS


class Channel(StrEnum):
    """The channels that can be listened to."""

    CHANGES = "easel_tasks"
    WORKERS = "easel_cancels"  # named for its first use; processes of two versions may run side by side
    WORK = "easel_work"
    """A task waits to be drawn. The notification names none: whichever worker comes first takes the next one."""
    WISHES = "easel_wishes"
    """Somebody wants to see the picture of a task form."""
    PREVIEWS = "easel_previews"
    """What a picture looks like so far (`store/preview_notices.py`), for the web processes."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification: its channel, and the id of the task. It is empty on WORK, and followed by the preview on
    PREVIEWS."""

    channel: Channel
    payload: str


def announce(column: str) -> sql.Composed:
    """An expression that announces the task whose id a column holds. It takes effect at commit."""
    return sql.SQL("pg_notify({}, {})::text").format(sql.Literal(Channel.CHANGES.value), sql.Identifier(column))


def announce_work() -> sql.Composed:
    """An expression that announces that a task waits. It takes effect at commit, once per transaction."""
    return sql.SQL("pg_notify({}, '')::text").format(sql.Literal(Channel.WORK.value))


def send_preview() -> sql.Composed:
    """An expression that sends the preview of a task that a placeholder stands for. It takes effect at commit."""
    return sql.SQL("pg_notify({}, %s)::text").format(sql.Literal(Channel.PREVIEWS.value))


async def listen(url: str, channels: Sequence[Channel], look_every_s: float) -> AsyncGenerator[Notice | None]:
    """Notifications on these channels, and None from time to time.

    The first None says that listening has begun; more follow every `look_every_s`, however much is announced. Raises
    DatabaseUnavailable when the connection fails.
    """
    try:
        async with await Writer.connect(url, autocommit=True, **CONNECTION_SETTINGS) as connection:
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield None
            while True:
                async for notice in connection.notifies(timeout=look_every_s):
                    yield Notice(Channel(notice.channel), notice.payload)
                yield None
                # This detects a connection that was cut silently.
                await connection.execute("SELECT 1")
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
