"""Asks the database at each request whether a picture is shown. Simultaneous requests share a statement.

So from the moment a picture is withdrawn, no process shows it, even if its file is still in storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from easel.live.batched_reader import BatchedReader
from easel.store import shown_pictures
from easel.store.database import Database, Reader


@dataclass(frozen=True, slots=True)
class Looked:
    """Whether a picture is shown, and when that was true, in Unix time by the database's clock."""

    is_shown: bool
    at_s: float


class PictureReader:
    """One process's reader."""

    def __init__(self, database: Database) -> None:
        self._batched = BatchedReader(database, _read)

    async def look(self, picture_name: str) -> Looked:
        """Whether the picture is shown now. Raises DatabaseUnavailable, DatabaseFault."""
        looked = await self._batched.find(picture_name)
        assert looked is not None, "_read answers for every name"
        return looked


async def _read(connection: Reader, picture_names: Sequence[str]) -> Mapping[str, Looked]:
    shown = await shown_pictures.look(connection, picture_names)
    return {name: Looked(name in shown.names, shown.at_s) for name in picture_names}
