"""The base of the links that a task will have."""

import re

from starlette.requests import Request

from easel.domain.errors import InvalidRequest

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::[0-9]{1,5})?")


class LinkBase:
    """`public_url` is the base; without it links lead to the address that the creating client used."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url

    def of(self, request: Request) -> str:
        """The base for a task that this request creates. Raises InvalidRequest for a Host that is none."""
        if self._public_url is not None:
            return self._public_url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise InvalidRequest("The Host header must name the host that you asked")
        return f"{request.url.scheme}://{host}"
