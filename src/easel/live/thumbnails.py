"""Makes thumbnails when they are first wanted, and stores them beside their pictures.

Requests for the same thumbnail share one making. A few are made at a time, and the others wait. Two processes may make
the same one, which is harmless: both write the same file.

A thumbnail must not outlive its picture. Whoever deletes a picture deletes its thumbnail too, and this module looks
after it has stored one whether the picture is still shown. If the process is killed between the two, just while the
picture is being deleted, the thumbnail stays behind, and nothing links to it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

import structlog

from easel.domain.link import thumbnail_name
from easel.domain.picture import CONTENT_TYPES, object_name
from easel.live.picture_reader import PictureReader
from easel.outside.pictures.storage import PictureGone, Pictures

log = structlog.get_logger(__name__)

MADE_AT_ONCE_MAX: Final = 2
"""Each takes a processor for some tens of milliseconds, and holds the pixels of a picture."""
WAITING_MAX: Final = 1000
THUMBNAIL_BYTES_MAX: Final = 1024 * 1024


Reduce: TypeAlias = Callable[[bytes], bytes | None]
"""Makes the file of a thumbnail from that of a picture. None if the picture cannot be decoded. It runs in a thread."""


class TooManyThumbnails(Exception):
    """Too many thumbnails are waiting to be made."""


class Thumbnails:
    """One process's thumbnails."""

    def __init__(self, pictures: Pictures, reader: PictureReader, reduce: Reduce) -> None:
        self._pictures = pictures
        self._reduce = reduce
        self._reader = reader
        self._places = asyncio.Semaphore(MADE_AT_ONCE_MAX)
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def of(self, picture_name: str) -> bytes:
        """The file of a picture's thumbnail, made now if need be.

        Raises PictureGone, also if the picture cannot be decoded, StorageFailed, TooManyThumbnails.
        """
        stored = await self._stored(picture_name)
        if stored is not None:
            return stored
        making = self._making.get(picture_name)
        if making is None:
            if len(self._making) >= WAITING_MAX:
                raise TooManyThumbnails
            making = self._making[picture_name] = asyncio.create_task(self._make(picture_name))
            making.add_done_callback(lambda _: self._making.pop(picture_name, None))
        # A client that leaves takes nothing from the others that wait.
        return await asyncio.shield(making)

    async def _stored(self, picture_name: str) -> bytes | None:
        name = object_name(thumbnail_name(picture_name))
        size_bytes = await self._pictures.size_bytes(name)
        if size_bytes is None or not 0 < size_bytes <= THUMBNAIL_BYTES_MAX:
            return None
        try:
            return await self._pictures.read(name, 0, size_bytes)
        except PictureGone:
            return None

    async def _make(self, picture_name: str) -> bytes:
        async with self._places:
            size_bytes = await self._pictures.size_bytes(object_name(picture_name))
            if size_bytes is None:
                raise PictureGone("There is no picture of that name")
            picture = await self._pictures.read(object_name(picture_name), 0, size_bytes)
            file = await asyncio.to_thread(self._reduce, picture)
            del picture
            if file is None:
                log.warning("picture_unreadable")
                raise PictureGone("The picture cannot be decoded")
            name = object_name(thumbnail_name(picture_name))
            await self._pictures.put(name, file, CONTENT_TYPES["webp"])
            if not (await self._reader.look(picture_name)).is_shown:
                await self._pictures.delete(name)
                raise PictureGone("The picture was deleted meanwhile")
        return file
