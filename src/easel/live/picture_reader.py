"""Tells whether a picture may be shown, those that many ask for at once together.

The database says so at each request: a picture that was withdrawn is shown by no process from the moment that it was, be
its file still in storage or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from easel.live.batched_reader import BatchedReader
from easel.store import shown_pictures
from easel.store.database import Database, Reader


@dataclass(frozen=True, slots=True)
class Looked:
    """Whether the picture is shown, and the Unix time, by the database's clock, when that was so."""

    is_shown: bool
    at_s: float


class PictureReader:
    """One process's reader."""

    def __init__(self, database: Database) -> None:
        self._together = BatchedReader(database, _read)

    async def look(self, picture_name: str) -> Looked:
        """Whether it may be shown now. Raises DatabaseUnavailable, DatabaseFault."""
        looked = await self._together.find(picture_name)
        assert looked is not None, "every name that is asked for is answered"
        return looked


async def _read(connection: Reader, picture_names: Sequence[str]) -> Mapping[str, Looked]:
    shown = await shown_pictures.look(connection, picture_names)
    return {name: Looked(name in shown.names, shown.at_s) for name in picture_names}
