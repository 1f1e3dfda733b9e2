"""Serves the API reference: an OpenAPI document for programs, and a page for people.

`python -m tools.api_page` makes both from `openapi.yaml`. Only the service's address is filled in here.
"""

import functools
import gzip
from html import escape
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from easel.domain.errors import NoSuchAddress
from easel.web.console.accepting import takes_gzip
from easel.web.console.files import FOLDER, POLICY, ServedFile
from easel.web.requests import BaseUrl

PAGE_FILE: Final = Path(__file__).with_name("page.html")
DOCUMENT_FILE: Final = Path(__file__).with_name("openapi.json")
_FILES: Final = Path(__file__).parent / "static"
_ICON_FILE: Final = FOLDER / "icons" / "easel.svg"
BASE_URL: Final = "https://base-url.invalid"
"""Placeholder for the service's address in the page."""
URL_QUOTE: Final = "{url-quote}"
"""Placeholder on both sides of an address in a shell command, where only an IPv6 address needs quotes."""
CONSOLE_HEAD: Final = ("<!--console-->", "<!--/console-->")
"""Marks around the part of the page that leads to the console."""
FILLED_MAX: Final = 8
"""How many addresses the page is kept for, filled in and compressed."""
_PUBLIC: Final = {"cache-control": "public, max-age=300"}
_PAGE_HEADERS: Final = {
    "content-security-policy": POLICY,
    # Private, because the examples contain the address that this client used.
    "cache-control": "private, max-age=300",
    "vary": "Accept-Encoding",
}


class DocumentEndpoints:
    """`GET /openapi.json`, `GET /docs` and `GET /docs/{file}`. The files are read once per process."""

    def __init__(self, base_url: BaseUrl, *, has_console: bool) -> None:
        self._base_url = base_url
        page = PAGE_FILE.read_text(encoding="utf-8")
        self._page = page if has_console else without_console(page)
        self._files = {
            file.name: ServedFile(file.read_bytes(), file.suffix) for file in (*_FILES.iterdir(), _ICON_FILE)
        }
        self._compressed = functools.lru_cache(FILLED_MAX)(self._fill_and_compress)
        self._openapi_json = document_json(base_url.public_url)

    async def openapi_json(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return Response(self._openapi_json, media_type="application/json", headers=_PUBLIC)

    async def page(self, request: Request) -> Response:
        """The API page, with examples for the public URL or for the address that the client used."""
        base_url = self._base_url.of(request)
        if takes_gzip(request):
            headers = {**_PAGE_HEADERS, "content-encoding": "gzip"}
            return Response(self._compressed(base_url), media_type="text/html", headers=headers)
        return Response(filled_page(self._page, base_url), media_type="text/html", headers=_PAGE_HEADERS)

    def _fill_and_compress(self, base_url: str) -> bytes:
        return gzip.compress(filled_page(self._page, base_url).encode(), mtime=0)

    async def file(self, request: Request) -> Response:
        """A style sheet, a script or the icon of the page. Raises NoSuchAddress."""
        file = self._files.get(request.path_params["file"])
        if file is None:
            raise NoSuchAddress
        return file.answer(request)


def without_console(page: str) -> str:
    """The page without what leads to the console."""
    before, _, rest = page.partition(CONSOLE_HEAD[0])
    return before + rest.partition(CONSOLE_HEAD[1])[2]


def filled_page(template: str, base_url: str) -> str:
    """The page for a service at this address."""
    quoted = template.replace(URL_QUOTE, escape("'") if "[" in base_url else "")
    return quoted.replace(BASE_URL, escape(base_url))


def document_json(public_url: str | None) -> bytes:
    """The OpenAPI document in compact JSON. `public_url` becomes the URL of its servers."""
    document = msgspec.json.decode(DOCUMENT_FILE.read_bytes())
    if public_url is not None:
        document["servers"] = [{**server, "url": public_url} for server in document["servers"]]
    return msgspec.json.encode(document)
