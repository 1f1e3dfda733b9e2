"""Proxies in front of the service that are believed about the client that they speak for.

uvicorn reads X-Forwarded-For and X-Forwarded-Proto of those that are trusted. It knows a scheme in lower case alone, so
that is what it is given: of a list, as several proxies in a row write it, the first one, which is the client's.
"""

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_SCHEME: Final = b"x-forwarded-proto"


def behind_proxies(app: ASGIApp, trusted: Sequence[str]) -> ASGIApp:
    """The application, believing these addresses and networks."""
    if not trusted:
        return app
    believing = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]  # the same interface in other words

    async def read_scheme(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["headers"] = _with_one_scheme(scope["headers"])
        await believing(scope, receive, send)  # type: ignore[arg-type]

    return read_scheme


def _with_one_scheme(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    said = b",".join(value for name, value in headers if name == _SCHEME).lower()
    schemes = [scheme.strip() for scheme in said.split(b",") if scheme.strip()]
    others = [(name, value) for name, value in headers if name != _SCHEME]
    return [*others, (_SCHEME, schemes[0])] if schemes else others
