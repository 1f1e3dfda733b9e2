"""Attributes what operators change over HTTP: to the key that was used, and the address that the request came from."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from easel.actions.audit_log import Remote, acting_for


@contextmanager
def recorded(request: Request, api_key_id: int) -> Iterator[None]:
    """Record changes within the block with this key and the client's address."""
    with acting_for(Remote(api_key_id, request.client.host if request.client is not None else None)):
        yield
