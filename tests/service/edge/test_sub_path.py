"""A service behind a sub-path of its proxy: its own addresses contain the path."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin

import httpx2
import pytest

from tests.support.ports import free_port
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER

PUBLIC_URL: Final = "https://host.test/pictures-of/easel"


@pytest.fixture(scope="module")
def behind(two_webs: Fleet) -> Iterator[httpx2.Client]:
    """A client of another web process, sending requests like a proxy that strips the path."""
    port = free_port()
    with two_webs.web({"public_url": PUBLIC_URL}, port):
        headers = {"host": "10.0.0.7:8000", "authorization": f"Bearer {two_webs.issue().key}"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=30) as client:
            yield client


def test_the_documents_server_is_the_public_url(behind: httpx2.Client, two_webs: Fleet) -> None:
    served: dict[str, Any] = behind.get("/openapi.json").json()
    [server] = served["servers"]
    assert server["url"] == PUBLIC_URL
    with two_webs.client() as plain:
        elsewhere: dict[str, Any] = plain.get("/openapi.json").json()
    assert elsewhere["servers"][0]["url"] == "/"
    assert {**served, "servers": elsewhere["servers"]} == elsewhere


def test_the_pages_examples_and_links_keep_the_path_prefix(behind: httpx2.Client) -> None:
    page = behind.get("/docs").text
    assert f"{PUBLIC_URL}{GENERATIONS}" in page
    assert "10.0.0.7" not in page
    assert 'href="/' not in page
    assert urljoin(f"{PUBLIC_URL}/docs", "docs/reference.css").startswith(PUBLIC_URL)


def test_a_pictures_link_keeps_the_path_prefix(behind: httpx2.Client, two_webs: Fleet) -> None:
    task = behind.post(GENERATIONS, json=ORDER).json()
    with two_webs.database() as connection:
        row = connection.execute("SELECT public_url FROM tasks WHERE id = %s", (task["id"],)).fetchone()
    assert row == (PUBLIC_URL,)
