"""Operating over HTTP for tests: requests whose answers must keep the contract, and finding accounts by name."""

from typing import Any

import httpx2
from tools.api_page.document import served

from tests.support.contract import Contract

ADDRESSES = ("{account_id}", "{key_id}", "{task_id}")
TASK = "task-unified-1757165031-uyujaw3d"


def concrete(path: str) -> str:
    """A path of the document with its parameters filled in."""
    return path.replace("{account_id}", "1").replace("{key_id}", "1").replace("{task_id}", TASK)


def listed(method: str) -> list[str]:
    """The documented paths for operators that answer a method."""
    return sorted(path for path, item in served()["paths"].items() if path.startswith("/admin/") and method in item)


def send(client: httpx2.Client, path: str, body: Any = None) -> httpx2.Response:
    """Post, and check that the answer keeps the contract."""
    response = client.post(f"/admin/v1/{path}", json=body)
    Contract(served()).assert_kept(response)
    return response


def sent(client: httpx2.Client, path: str, body: Any = None) -> Any:
    """The body of the answer to a post that succeeds."""
    response = send(client, path, body)
    assert response.status_code == 200, response.text
    return response.json()


def read(client: httpx2.Client, path: str, **query: Any) -> Any:
    """The body of an answer that keeps the contract."""
    response = client.get(f"/admin/v1/{path}", params=query)
    assert response.status_code == 200, response.text
    Contract(served()).assert_kept(response)
    return response.json()


def account_named(client: httpx2.Client, name: str) -> dict[str, Any]:
    """The account of this name, as operators see it."""
    cursor: int | None = 0
    while cursor is not None:
        told = read(client, "accounts", cursor=cursor, limit=100)
        for each in told["data"]:
            if each["name"] == name:
                found: dict[str, Any] = each
                return found
        cursor = told["next"]
    raise AssertionError(f"there is no account {name}")


def latest_entry(client: httpx2.Client) -> dict[str, Any]:
    """The latest entry of the audit log."""
    entry: dict[str, Any] = read(client, "audit", limit=1)["data"][0]
    return entry
