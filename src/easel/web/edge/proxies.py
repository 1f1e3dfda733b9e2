"""Trusts chosen proxies to state the client's address and scheme.

uvicorn reads X-Forwarded-For and X-Forwarded-Proto from trusted proxies, but understands only a single scheme in lower
case. So the scheme is converted to lower case here. If a chain of proxies wrote a list, its first scheme, the client's,
is used.
"""

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_SCHEME: Final = b"x-forwarded-proto"


def behind_proxies(app: ASGIApp, trusted: Sequence[str]) -> ASGIApp:
    """The application behind proxies at these addresses and networks."""
    if not trusted:
        return app
    trusting = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]  # the same interface in other words

    async def read_scheme(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["headers"] = _with_one_scheme(scope["headers"])
        await trusting(scope, receive, send)  # type: ignore[arg-type]

    return read_scheme


def _with_one_scheme(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    said = b",".join(value for name, value in headers if name == _SCHEME).lower()
    schemes = [scheme.strip() for scheme in said.split(b",") if scheme.strip()]
    others = [(name, value) for name, value in headers if name != _SCHEME]
    return [*others, (_SCHEME, schemes[0])] if schemes else others
