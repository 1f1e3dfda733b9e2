"""Serves pictures by their links. The link is the permission; no key is needed.

Every request asks the database whether the picture may be shown. So a deleted picture is gone in every process at once,
and while the database is unavailable no picture is served.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from easel.domain import link
from easel.domain.errors import LinkExpired, NotFound, RangeNotSatisfiable
from easel.domain.link import LinkKeys
from easel.domain.picture import CONTENT_TYPE_BY_EXTENSION, object_name
from easel.live.picture_reader import PictureReader
from easel.outside.pictures.storage import PictureGone, Pictures
from easel.web.conditional import is_known
from easel.web.picture_pieces import PicturePieces

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_ALWAYS: Final = {
    "accept-ranges": "bytes",
    "content-security-policy": "sandbox; default-src 'none'",
    "content-disposition": "inline",
}


class PictureEndpoint:
    """`GET` and `HEAD /pictures/{grant}/{file}`, whole or in part."""

    def __init__(self, pictures: Pictures, pieces: PicturePieces, reader: PictureReader, link_keys: LinkKeys) -> None:
        self._pictures = pictures
        self._pieces = pieces
        self._reader = reader
        self._link_keys = link_keys

    async def read(self, request: Request) -> Response:
        """The picture, or the part that `Range` asks for."""
        name = request.path_params["file"]
        lifetime_s = await self._lifetime_left_s(request.path_params["grant"], name)
        size_bytes = await self._pictures.size_bytes(object_name(name))
        if size_bytes is None:
            raise NotFound
        etag = f'"{name[:32]}"'
        headers = {**_ALWAYS, "etag": etag, "cache-control": f"private, max-age={lifetime_s}, immutable"}
        if is_known(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        part = _asked_part(request, etag, size_bytes)
        headers["content-type"] = CONTENT_TYPE_BY_EXTENSION[name[32:]]
        start, end = (0, size_bytes) if part is None else part
        headers["content-length"] = str(end - start)
        if part is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size_bytes}"
        status = 200 if part is None else 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return await self._answer(name, start, end, status, headers)

    async def _answer(self, name: str, start: int, end: int, status: int, headers: dict[str, str]) -> Response:
        pieces = self._pieces.of(name, start, end)
        await anext(pieces)
        try:
            first = await anext(pieces)
        except PictureGone:  # deleted after its size was read
            raise NotFound from None
        if len(first) < end - start:
            return StreamingResponse(_joined(first, pieces), status, headers)
        await pieces.aclose()
        return Response(first, status, headers)

    async def _lifetime_left_s(self, grant: str, name: str) -> int:
        """Seconds for which the link is still valid. Raises NotFound, LinkExpired."""
        expires_s = link.expiry_s(grant, name, self._link_keys)
        if expires_s is None:
            raise NotFound
        looked = await self._reader.look(name)
        left_s = expires_s - int(looked.at_s)
        if left_s <= 0:
            raise LinkExpired
        if not looked.is_shown:
            raise NotFound
        # More than a lifetime is left only if the database's clock was set back after the link was made.
        return min(left_s, link.LIFETIME_S)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    del first  # the connection holds it, perhaps for long
    async for piece in rest:
        yield piece


def _asked_part(request: Request, etag: str, size_bytes: int) -> tuple[int, int] | None:
    """The requested range as start and end, end excluded; None for the whole picture. Raises RangeNotSatisfiable.

    A request for several ranges, or for a range of another version, gets the whole picture, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if match is None or request.headers.get("if-range", etag) != etag or match[0] == "bytes=-":
        return None
    if match[1]:
        start = int(match[1])
        end = min(int(match[2]) + 1, size_bytes) if match[2] else size_bytes
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, end = max(0, size_bytes - int(match[2])), size_bytes
    if start >= end:
        raise RangeNotSatisfiable(size_bytes)
    return start, end
