"""What browsers get where other clients get JSON: the console at `/`, and a page for addresses that lead nowhere."""

from html import escape
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.errors import LinkExpired, NotFound, Refusal
from easel.web.answers import json_answer
from easel.web.console.accepting import prefers_page
from easel.web.console.files import BASE, POLICY, ConsoleFiles
from easel.web.requests import BaseUrl

_SERVICE: Final = {"docs": "/docs", "name": "Easel", "openapi": "/openapi.json"}
_VARY: Final = "Accept"
_READING: Final = frozenset({"GET", "HEAD"})


class RootEndpoint:
    """`GET /`. Without `files`, there is no console, and every client gets the JSON."""

    def __init__(self, files: ConsoleFiles | None) -> None:
        self._files = files

    async def read(self, request: Request) -> Response:
        """The console for browsers, and for other clients the addresses of the API's description."""
        if self._files is None:
            return json_answer(_SERVICE)
        if not prefers_page(request):
            return json_answer(_SERVICE, headers={"vary": _VARY})
        page = self._files.page.answer(request)
        page.headers.add_vary_header(_VARY)
        return page


class NotFoundPage:
    """The page for people who open an address that leads nowhere, or a picture's link that has expired."""

    def __init__(self, files: ConsoleFiles, base_url: BaseUrl) -> None:
        path = urlsplit(base_url.public_url or "").path.rstrip("/")
        self._content = files.not_found_text.replace(BASE, escape(f"{path}/")).encode()

    def answer(self, request: Request, refusal: Refusal) -> Response | None:
        """The page instead of this refusal. None if the client should get the JSON."""
        if (
            request.method not in _READING
            or not isinstance(refusal, NotFound | LinkExpired)
            or not prefers_page(request)
        ):
            return None
        headers = {"cache-control": "no-store", "content-security-policy": POLICY, "vary": _VARY}
        return Response(self._content, refusal.status, headers, media_type="text/html")
