"""Which pictures are shown: those of completed tasks, until they are deleted or expire."""

from collections.abc import Sequence
from dataclasses import dataclass

from easel.store.database import Reader


@dataclass(frozen=True, slots=True)
class Shown:
    """Names of pictures that are shown, and the Unix time when they were looked up."""

    names: frozenset[str]
    at_s: float


async def look(connection: Reader, picture_names: Sequence[str]) -> Shown:
    """Look up which of these pictures are shown."""
    cursor = await connection.execute(
        """
        SELECT extract(epoch FROM clock_timestamp())::float, ARRAY(
            SELECT picture_name FROM tasks
            WHERE picture_name IS NOT NULL AND picture_name = ANY (%s) AND picture_withdrawn_at IS NULL)
        """,
        (list(picture_names),),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Shown(frozenset(row[1]), row[0])
