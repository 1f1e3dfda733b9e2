"""`GET /metrics`: the metrics of this web process, for keys of the scope `admin`."""

from starlette.requests import Request
from starlette.responses import Response

from easel.web.auth import Auth
from easel.web.metrics.page import MetricsPage


class MetricsEndpoint:
    """The endpoint. Where several web processes share a port, any of them may answer."""

    def __init__(self, auth: Auth, page: MetricsPage) -> None:
        self._auth = auth
        self._page = page

    async def read(self, request: Request) -> Response:
        """The page, in the format that the client asks for."""
        await self._auth.administrator(request)
        content, content_type = await self._page.read(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": content_type, "cache-control": "no-store"})
