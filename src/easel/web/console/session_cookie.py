"""The cookie of the console's sessions, and the requests that may rely on it.

A browser adds the cookie to whatever request any page causes. So it counts only for a request that shows that it comes
from the console's own page:

- It has the header `X-Easel-Console: 1`, which no other origin's page can send without asking first (CORS), or it is a
  GET that the browser marks with `Sec-Fetch-Site: same-origin`, because `EventSource` cannot send headers.
- Neither `Sec-Fetch-Site` nor `Origin` says that it comes from elsewhere.

Over HTTPS the cookie's name begins with `__Host-`, so that no page of a neighbouring host can set it.
"""

from typing import Final

from starlette.requests import Request

from easel.domain.console_session import SESSION_LIFETIME_S, is_token
from easel.domain.errors import CrossSiteRequest
from easel.web.openai.errors import is_for_openai
from easel.web.requests import BaseUrl

COOKIE: Final = "easel_session"
SECURE_COOKIE: Final = "__Host-easel_session"
CONSOLE_HEADER: Final = "x-easel-console"
_SAME: Final = "same-origin"
_SITES_OF_OWN: Final = frozenset({_SAME, "none"})
"""`none`: the user's own doing, such as an address that was typed in."""
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class SessionCookie:
    """Reads and sets the cookie."""

    def __init__(self, base_url: BaseUrl) -> None:
        self._base_url = base_url

    def token_in(self, request: Request) -> str | None:
        """The session's token in a request that may rely on it. None if it has none.

        Raises CrossSiteRequest if it has one and may not rely on it.
        """
        token = self.named_token(request)
        if token is None:
            return None
        self.require_own_page(request)
        if request.headers.get(CONSOLE_HEADER) == "1":
            return token
        if request.method in _SAFE_METHODS and request.headers.get("sec-fetch-site") == _SAME:
            return token
        raise CrossSiteRequest

    def named_token(self, request: Request) -> str | None:
        """The session's token in a request, which need not be one that may rely on it."""
        # Without cookies, which is the usual case, there is nothing to parse.
        if "cookie" not in request.headers or is_for_openai(request.scope["path"]):
            return None
        token = request.cookies.get(SECURE_COOKIE if self._is_secure(request) else COOKIE)
        return token if token is not None and is_token(token) else None

    def require_own_page(self, request: Request) -> None:
        """Raises CrossSiteRequest if a header says that another origin's page caused the request."""
        sites = request.headers.getlist("sec-fetch-site")
        if not _SITES_OF_OWN.issuperset(sites):
            raise CrossSiteRequest
        origins = request.headers.getlist("origin")
        # A proxy that does not pass the scheme on leaves it open; then the browser's own word counts.
        if not all(self._is_own(request, origin, any_scheme=sites == [_SAME]) for origin in origins):
            raise CrossSiteRequest

    def set(self, request: Request, token: str) -> dict[str, str]:
        """The header that gives the browser a session."""
        return self._header(request, token, SESSION_LIFETIME_S)

    def clear(self, request: Request) -> dict[str, str]:
        """The header that takes the session from the browser."""
        return self._header(request, "", 0)

    def _header(self, request: Request, token: str, lifetime_s: int) -> dict[str, str]:
        name, flag = (SECURE_COOKIE, "; Secure") if self._is_secure(request) else (COOKIE, "")
        return {"set-cookie": f"{name}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={lifetime_s}{flag}"}

    def _is_secure(self, request: Request) -> bool:
        public_url = self._base_url.public_url
        return request.scope["scheme"] in {"https", "wss"} or (public_url or "").startswith("https:")

    def _is_own(self, request: Request, origin: str, *, any_scheme: bool) -> bool:
        scheme, host = _origin(origin)
        own = [self._base_url.of_client(request), self._base_url.public_url or ""]
        return any(
            host == own_host and (any_scheme or scheme == own_scheme)
            for own_scheme, own_host in map(_origin, own)
            if host
        )


def _origin(url: str) -> tuple[str, str]:
    """The scheme of a URL, and its host with its port unless that is the scheme's own."""
    scheme, _, rest = url.lower().partition("://")
    return scheme, rest.partition("/")[0].removesuffix(_DEFAULT_PORTS.get(scheme, " "))
