"""The advisory locks of the database: every number there is, what it guards, and how it is taken.

Processes of all versions that share a database exclude one another by these numbers, so a number never changes its
meaning and is never used again. PostgreSQL releases a lock with the transaction or the connection that holds it, so a
process that dies leaves none behind.
"""

from enum import IntEnum, unique
from typing import Final, LiteralString

import psycopg
from psycopg.rows import TupleRow

from easel.store.database import Writer

_EASEL: Final = 0x6561_7365_6C


@unique
class Lock(IntEnum):
    """What only one process may do at a time."""

    SCHEMA = _EASEL
    """Apply migrations, and compare the secret."""
    RESCUE = _EASEL + 1
    """Hand back the jobs of dead workers, so that no death is counted twice."""
    OWNERSHIP = _EASEL + 2
    """Give the private database to its ordinary role."""
    PRICE = _EASEL + 3
    """Record the price in the audit log, so that every change is recorded once."""
    SWEEP = _EASEL + 4
    """End tasks that waited too long, and remove what is too old."""


_TAKE: Final[LiteralString] = "SELECT pg_advisory_lock(%s)"


async def take(connection: Writer, lock: Lock) -> None:
    """Wait for a lock, up to the session's lock_timeout, and hold it until the connection closes."""
    await connection.execute(_TAKE, (lock,))


def take_blocking(connection: psycopg.Connection[TupleRow], lock: Lock) -> None:
    """The same, on a connection that blocks its thread."""
    connection.execute(_TAKE, (lock,))


async def take_in_transaction(connection: Writer, lock: Lock) -> None:
    """Wait for a lock, and hold it until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))


async def try_in_transaction(connection: Writer, lock: Lock) -> bool:
    """Take a lock until the transaction ends. Returns False at once if another transaction holds it."""
    row = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock,))).fetchone()
    return row is not None and bool(row[0])
