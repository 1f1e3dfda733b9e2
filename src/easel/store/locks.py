"""The database's advisory locks: their numbers, what they guard, and how to take them.

Processes of different versions may share a database, so a number never changes its meaning and is never reused.
PostgreSQL releases a lock when the transaction or connection that holds it ends, so a dead process holds none.
"""

from enum import IntEnum, unique
from typing import Final, LiteralString

import psycopg
from psycopg.rows import TupleRow

from easel.store.database import Writer

_EASEL: Final = 0x6561_7365_6C


@unique
class Lock(IntEnum):
    """Work that only one process may do at a time."""

    SCHEMA = _EASEL
    """Apply migrations, and compare the secret."""
    RESCUE = _EASEL + 1
    """Hand back the tasks of dead workers, so that no death is counted twice."""
    OWNERSHIP = _EASEL + 2
    """Make an unprivileged role the owner of the private database."""
    PRICE = _EASEL + 3
    """Record the price in the audit log, so that every change is recorded once."""
    SWEEP = _EASEL + 4
    """End tasks that waited too long, and delete expired data."""


_TAKE: Final[LiteralString] = "SELECT pg_advisory_lock(%s)"


async def take(connection: Writer, lock: Lock) -> None:
    """Wait for a lock, up to the session's lock_timeout, and hold it until the connection closes."""
    await connection.execute(_TAKE, (lock,))


def take_blocking(connection: psycopg.Connection[TupleRow], lock: Lock) -> None:
    """Do the same as `take` on a synchronous connection."""
    connection.execute(_TAKE, (lock,))


async def take_in_transaction(connection: Writer, lock: Lock) -> None:
    """Wait for a lock and hold it until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))


async def try_in_transaction(connection: Writer, lock: Lock) -> bool:
    """Take a lock until the transaction ends. Returns False without waiting if somebody else holds it."""
    row = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock,))).fetchone()
    return row is not None and bool(row[0])
