"""The API's own description: as OpenAPI for programs, as a page for people."""

from functools import cache
from html import escape
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.web.reference import document as openapi
from easel.web.reference import page as reference
from easel.web.requests import BaseUrl

_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # Its examples name the address that was asked, which must not reach somebody else's cache.
    "cache-control": "private, max-age=300",
}
PLACEHOLDER: Final = "https://base-url.invalid"
"""Stands in the page, which is rendered once, where each reader finds the address that they asked."""
PLACEHOLDER_IN_BRACKETS: Final = "https://[2001:db8::]"
"""The same for an IPv6 address, which shells want quoted."""


class DocumentEndpoints:
    """Whose examples and servers are at the base of the links."""

    def __init__(self, base_url: BaseUrl) -> None:
        self._base_url = base_url
        public_url = base_url.public_url
        self._openapi_json = openapi.document_json() if public_url is None else openapi.document_json_at(public_url)

    async def openapi_json(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return Response(
            self._openapi_json, media_type="application/json", headers={"cache-control": "public, max-age=300"}
        )

    async def reference_page(self, request: Request) -> Response:
        """The readable API page, with examples for the public address, or the one that it was asked at."""
        base_url = self._base_url.of(request)
        placeholder = PLACEHOLDER_IN_BRACKETS if "[" in base_url else PLACEHOLDER
        page = rendered_page(placeholder).replace(placeholder, escape(base_url))
        return Response(page, media_type="text/html", headers=_PAGE_HEADERS)


@cache
def rendered_page(base_url: str) -> str:
    """The reference page. Rendering takes a tenth of a second, for which a request should not wait."""
    return reference.page(openapi.document(), base_url)


@cache
def _style_sheet() -> str:
    return resources.files("easel.web.reference").joinpath("static/reference.css").read_text(encoding="utf-8")


async def reference_style(_request: Request) -> Response:
    """The page's style sheet."""
    return Response(_style_sheet(), media_type="text/css", headers={"cache-control": "public, max-age=300"})
