"""The API's own description: as OpenAPI for programs, as a page for people."""

from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.web import openapi, reference

_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "public, max-age=300",
}


async def openapi_json(_request: Request) -> Response:
    """The OpenAPI document."""
    return Response(
        openapi.document_json(), media_type="application/json", headers={"cache-control": "public, max-age=300"}
    )


async def reference_page(request: Request) -> Response:
    """The readable API page, with examples for the address that it was asked at."""
    base_url = f"{request.url.scheme}://{request.url.netloc}"
    return Response(reference.page(openapi.document(), base_url), media_type="text/html", headers=_PAGE_HEADERS)


async def reference_style(_request: Request) -> Response:
    """The page's style sheet."""
    sheet = resources.files("easel.web").joinpath("static/reference.css").read_text(encoding="utf-8")
    return Response(sheet, media_type="text/css", headers={"cache-control": "public, max-age=300"})
