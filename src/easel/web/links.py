"""The base of the links that a task will have, and of the addresses in the service's own description."""

import re
from typing import Final

from starlette.requests import Request

from easel.domain.errors import InvalidRequest

_HTTP_SCHEMES: Final = {"ws": "http", "wss": "https"}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::[0-9]{1,5})?")


class LinkBase:
    """`public_url` is the base; without it links lead to the address that the creating client used."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url

    def of(self, request: Request) -> str:
        """The base for what this request is answered with. Raises InvalidRequest for a Host that is none."""
        if self._public_url is not None:
            return self._public_url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise InvalidRequest("The Host header must name the host that you asked")
        return f"{scheme(request)}://{host}"

    @property
    def public_url(self) -> str | None:
        """The base that the operator names, if any."""
        return self._public_url


def scheme(request: Request) -> str:
    """How a client speaks to the service: `http` or `https`, also where a proxy calls it `ws` or `wss`."""
    return _HTTP_SCHEMES.get(request.url.scheme, request.url.scheme)
