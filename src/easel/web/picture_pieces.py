"""Reads pictures piece by piece, so that an answer holds only one piece in memory, however large its picture is.

The more answers are in progress, the smaller the pieces: together they hold little more than PIECES_BYTES.
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
"""Limited so that other requests are answered between the pieces, however many answers are in progress."""
_MULTIPLE_OF_BYTES: Final = 12
"""A multiple of 3, so that pieces in base64 can follow each other without padding."""


class PicturePieces:
    """Reads the pictures of one process's answers."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self._in_progress = 0
        self._reading = asyncio.Semaphore(READS_AT_ONCE_MAX)

    async def of(self, name: str, start: int, end: int) -> AsyncGenerator[bytes]:
        """A part of a picture, in pieces whose length is a multiple of 3, except the last.

        An empty piece precedes each of them. Sending it waits until the client has read the piece before, so the next
        piece is read from storage only then. Raises PictureGone, StorageFailed.
        """
        self._in_progress += 1
        try:
            while start < end:
                yield b""
                until = min(end, start + self._piece_bytes())
                async with self._reading:
                    piece = await self.pictures.read(object_name(name), start, until)
                yield piece
                del piece  # the connection holds it, perhaps for long
                start = until
        finally:
            self._in_progress -= 1

    def _piece_bytes(self) -> int:
        fair_bytes = PIECES_BYTES // self._in_progress
        return max(PIECE_BYTES_MIN, min(PIECE_BYTES_MAX, fair_bytes - fair_bytes % _MULTIPLE_OF_BYTES))
