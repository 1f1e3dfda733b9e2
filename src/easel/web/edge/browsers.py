"""Lets web pages of chosen origins call the API from a browser (CORS, WHATWG Fetch). By default, no origin may."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from easel.domain.errors import InvalidRequest
from easel.web.answers import SECURITY_HEADERS, refusal_answer, request_id

PREFLIGHT_LIFETIME_S: Final = 600
_READABLE: Final = (
    "idempotency-replayed", "preference-applied", "ratelimit", "ratelimit-policy", "retry-after",
    "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id", "x-should-retry",
)  # fmt: skip


_DISALLOWED: Final = "Pages of this origin may not call the API, or not with this method or these headers"


class _Browsers(CORSMiddleware):
    """Starlette's middleware, extended to give answers to preflights the headers that all our answers have."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight. A disallowed preflight gets a JSON error, like any other refused request."""
        response = super().preflight_response(request_headers)
        if response.status_code != HTTPStatus.OK:
            kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
            response = refusal_answer(InvalidRequest(_DISALLOWED), "", kept)
        response.raw_headers.append((b"x-request-id", request_id(request_headers.raw).encode()))
        response.raw_headers.extend(SECURITY_HEADERS)
        return response


def open_to_browsers(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application, open to pages of these origins. Keys are sent in a header, so cookies are never allowed."""
    if not origins:
        return app
    return _Browsers(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=_READABLE,
        max_age=PREFLIGHT_LIFETIME_S,
    )
