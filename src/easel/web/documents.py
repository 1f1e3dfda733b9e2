"""The API's own description: as OpenAPI for programs, as a page for people."""

from functools import lru_cache
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.web import openapi, reference
from easel.web.links import LinkBase

_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # Its examples name the address that was asked, which must not reach somebody else's cache.
    "cache-control": "private, max-age=300",
}
BASE_URLS_KEPT: Final = 16


class DocumentEndpoints:
    """Whose examples and servers are at the base of the links."""

    def __init__(self, link_base: LinkBase) -> None:
        self._link_base = link_base
        public_url = link_base.public_url
        self._openapi_json = openapi.document_json() if public_url is None else openapi.document_json_at(public_url)

    async def openapi_json(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return Response(
            self._openapi_json, media_type="application/json", headers={"cache-control": "public, max-age=300"}
        )

    async def reference_page(self, request: Request) -> Response:
        """The readable API page, with examples for the public address, or the one that it was asked at."""
        base_url = self._link_base.of_description(request)
        return Response(_rendered(base_url), media_type="text/html", headers=_PAGE_HEADERS)


@lru_cache(maxsize=BASE_URLS_KEPT)
def _rendered(base_url: str) -> str:
    return reference.page(openapi.document(), base_url)


async def reference_style(_request: Request) -> Response:
    """The page's style sheet."""
    sheet = resources.files("easel.web").joinpath("static/reference.css").read_text(encoding="utf-8")
    return Response(sheet, media_type="text/css", headers={"cache-control": "public, max-age=300"})
