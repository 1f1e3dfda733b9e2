"""The console's page for tests: a client that signs in and sends what the page sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx2

from tests.support.running_service import Service

SESSION: Final = "/console/session"
FROM_PAGE: Final = {"x-easel-console": "1"}
AS_BROWSER: Final = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
COOKIE: Final = "easel_session"


def sign_in(client: httpx2.Client, **proof: str) -> httpx2.Response:
    """Sign in with a key or a link. The client keeps the cookie."""
    response = client.post(SESSION, json=proof)
    assert response.status_code == 200, response.text
    return response


@contextmanager
def page(service: Service, key: str) -> Iterator[httpx2.Client]:
    """A page that is signed in."""
    with service.client() as client:
        sign_in(client, key=key)
        client.headers.update(FROM_PAGE)
        yield client


def who(client: httpx2.Client) -> dict[str, Any]:
    """Who is signed in, as the page asks."""
    response = client.get(SESSION, headers=FROM_PAGE)
    assert response.status_code == 200, response.text
    described: dict[str, Any] = response.json()
    return described


def code(response: httpx2.Response) -> tuple[int, object]:
    """The status and the code of an error."""
    return response.status_code, response.json()["error"]["code"]
