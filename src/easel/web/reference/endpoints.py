"""Serves the API reference: an OpenAPI document for programs, and a page for people.

`python -m tools.api_page` makes both from `openapi.yaml`. Only the service's address is filled in here.
"""

from html import escape
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from easel.web.requests import BaseUrl

PAGE_FILE: Final = Path(__file__).with_name("page.html")
DOCUMENT_FILE: Final = Path(__file__).with_name("openapi.json")
_STYLE_FILE: Final = Path(__file__).parent / "static" / "reference.css"
BASE_URL: Final = "https://base-url.invalid"
"""Placeholder for the service's address in the page."""
URL_QUOTE: Final = "{url-quote}"
"""Placeholder on both sides of an address in a shell command, where only an IPv6 address needs quotes."""
_PUBLIC: Final = {"cache-control": "public, max-age=300"}
_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # Private, because the examples contain the address that this client used.
    "cache-control": "private, max-age=300",
}


class DocumentEndpoints:
    """`GET /openapi.json`, `GET /docs` and `GET /docs/reference.css`. The files are read once per process."""

    def __init__(self, base_url: BaseUrl) -> None:
        self._base_url = base_url
        self._page = PAGE_FILE.read_text(encoding="utf-8")
        self._style = _STYLE_FILE.read_bytes()
        self._openapi_json = document_json(base_url.public_url)

    async def openapi_json(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return Response(self._openapi_json, media_type="application/json", headers=_PUBLIC)

    async def page(self, request: Request) -> Response:
        """The API page, with examples for the public URL or for the address that the client used."""
        filled = filled_page(self._page, self._base_url.of(request))
        return Response(filled, media_type="text/html", headers=_PAGE_HEADERS)

    async def style(self, _request: Request) -> Response:
        """The page's style sheet."""
        return Response(self._style, media_type="text/css", headers=_PUBLIC)


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
