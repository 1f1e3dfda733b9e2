"""The console's files: the pages, and what the pages load. They are read once, when the process starts.

A request names an entry of the list that was made then. No part of a request reaches the file system.
"""

import functools
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.errors import NoSuchAddress
from easel.web.conditional import is_known
from easel.web.console.accepting import takes_gzip

FOLDER: Final = Path(__file__).with_name("static")
PAGE: Final = "index.html"
NOT_FOUND_PAGE: Final = "not-found.html"
ICON: Final = "favicon.svg"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
BASE: Final = "{base}"
"""Placeholder for the path of the service in the page of unknown addresses, which is shown at any depth."""
COMPRESSED_FROM_BYTES: Final = 512
_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_COMPRESSIBLE: Final = frozenset({".html", ".js", ".css", ".svg", ".json"})


class ServedFile:
    """One file."""

    def __init__(self, content: bytes, suffix: str) -> None:
        self._content = content
        self._content_type = _CONTENT_TYPES[suffix]
        self._is_compressible = suffix in _COMPRESSIBLE and len(content) >= COMPRESSED_FROM_BYTES
        digest = hashlib.sha256(content).hexdigest()[:32]
        self._etag, self._gzip_etag = f'"{digest}"', f'"{digest}-gzip"'

    def answer(self, request: Request) -> Response:
        """The file, compressed if the client takes that, or 304 if the client has it already."""
        is_compressed = self._is_compressible and takes_gzip(request)
        headers = {
            "cache-control": "no-cache",
            "content-security-policy": POLICY,
            "etag": self._gzip_etag if is_compressed else self._etag,
        }
        if self._is_compressible:
            headers["vary"] = "Accept-Encoding"
        if is_known(request.headers.get("if-none-match", ""), self._etag, self._gzip_etag):
            return Response(status_code=304, headers=headers)
        headers["content-type"] = self._content_type
        if is_compressed:
            headers["content-encoding"] = "gzip"
        return Response(self._compressed if is_compressed else self._content, headers=headers)

    @functools.cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self._content, mtime=0)


class ConsoleFiles:
    """All files of the console, in memory."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = {path: ServedFile(content, Path(path).suffix) for path, content in _read(folder)}
        self.page = files[PAGE]
        self.icon = files[ICON]
        self.not_found_text = (folder / NOT_FOUND_PAGE).read_text(encoding="utf-8")
        # The pages have addresses of their own, to which the links in them are relative.
        self._files = {path: file for path, file in files.items() if not path.endswith(".html")}

    async def read(self, request: Request) -> Response:
        """`GET /console/{path}`. Raises NoSuchAddress."""
        file = self._files.get(request.path_params["path"])
        if file is None:
            raise NoSuchAddress
        return file.answer(request)

    async def read_icon(self, request: Request) -> Response:
        """`GET /favicon.ico`."""
        return self.icon.answer(request)


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The path of each file below the folder, and its content."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in _CONTENT_TYPES:
            yield file.relative_to(folder).as_posix(), file.read_bytes()
