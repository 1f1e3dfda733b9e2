"""Reads pictures for answers, a piece at a time, so that an answer under way holds a piece however large its picture is.

The more answers are under way, the smaller the pieces: together they hold little more than PIECES_BYTES.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from easel.domain.picture import object_name
from easel.outside.pictures.storage import Pictures

PIECES_BYTES: Final = 4 * 1024 * 1024
PIECE_BYTES_MAX: Final = 252 * 1024
PIECE_BYTES_MIN: Final = 36 * 1024
READS_AT_ONCE_MAX: Final = 8
"""However many answers are under way, other requests are answered between their pieces."""
_MULTIPLE_OF_BYTES: Final = 12
"""Of 3, so that pieces in base64 follow each other without padding."""


class PicturePieces:
    """The pictures of one process's answers."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self._under_way = 0
        self._reading = asyncio.Semaphore(READS_AT_ONCE_MAX)

    async def of(self, name: str, start: int, end: int) -> AsyncGenerator[bytes]:
        """A part of the picture of that file name, in pieces whose length is a multiple of 3, save the last.

        Nothing comes before each of them. Whoever sends that has waited until the client took what came before, so the
        next piece is not in memory until then. Raises PictureGone, StorageFailed.
        """
        self._under_way += 1
        try:
            while start < end:
                yield b""
                until = min(end, start + self._piece_bytes())
                async with self._reading:
                    piece = await self.pictures.read(object_name(name), start, until)
                yield piece
                del piece  # it is the connection's now, which may take long over it
                start = until
        finally:
            self._under_way -= 1

    def _piece_bytes(self) -> int:
        fair_bytes = PIECES_BYTES // self._under_way
        return max(PIECE_BYTES_MIN, min(PIECE_BYTES_MAX, fair_bytes - fair_bytes % _MULTIPLE_OF_BYTES))
