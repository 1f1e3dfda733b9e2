"""Serves thumbnails of pictures by their links, which the lists of the console have. The link is the permission.

A thumbnail is made when it is first fetched. Like a picture, it is shown only while the database shows its picture.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.domain import link
from easel.domain.errors import LinkExpired, NotFound, ServiceUnavailable
from easel.domain.link import LinkKeys
from easel.live.picture_reader import PictureReader
from easel.live.thumbnails import Thumbnails, TooManyThumbnails
from easel.outside.pictures.storage import PictureGone
from easel.web.conditional import is_known

RETRY_AFTER_S: Final = 5
_ALWAYS: Final = {"content-security-policy": "sandbox; default-src 'none'", "content-disposition": "inline"}


class ThumbnailEndpoint:
    """`GET` and `HEAD /thumbnails/{grant}/{file}`."""

    def __init__(self, thumbnails: Thumbnails, reader: PictureReader, link_keys: LinkKeys) -> None:
        self._thumbnails = thumbnails
        self._reader = reader
        self._link_keys = link_keys

    async def read(self, request: Request) -> Response:
        """The thumbnail. Raises NotFound, LinkExpired, ServiceUnavailable."""
        name = request.path_params["file"]
        picture_name = link.picture_of_thumbnail(name)
        expires_s = link.thumbnail_expiry_s(request.path_params["grant"], name, self._link_keys)
        if picture_name is None or expires_s is None:
            raise NotFound
        looked = await self._reader.look(picture_name)
        left_s = expires_s - int(looked.at_s)
        if left_s <= 0:
            raise LinkExpired
        if not looked.is_shown:
            raise NotFound
        etag = f'"{name[:32]}"'
        lifetime_s = min(left_s, link.LIFETIME_S)
        headers = {**_ALWAYS, "etag": etag, "cache-control": f"private, max-age={lifetime_s}, immutable"}
        if is_known(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(await self._file(picture_name), headers=headers, media_type="image/webp")

    async def _file(self, picture_name: str) -> bytes:
        try:
            return await self._thumbnails.of(picture_name)
        except PictureGone:
            raise NotFound from None
        except TooManyThumbnails:
            raise ServiceUnavailable(RETRY_AFTER_S) from None
