"""What operators change over HTTP: only with a key of the scope `admin`, and recorded in the audit log."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx2
import pytest
from tools.api_page.document import document

from tests.support.console_page import code, page
from tests.support.contract import Contract
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

DOCUMENT: Final = document()
CHANGES: Final = sorted(
    path for path, item in DOCUMENT["paths"].items() if path.startswith("/admin/") and "post" in item
)
TASK: Final = "task-unified-1757165031-uyujaw3d"


@pytest.fixture
def admin(service: Service, account: str) -> Iterator[httpx2.Client]:
    """A client whose key may do everything."""
    scopes = ("--scope", "admin", "--scope", "generate", "--scope", "read")
    with service.client(service.new_key(account, "10", *scopes)) as client:
        yield client


def send(client: httpx2.Client, path: str, body: Any = None) -> httpx2.Response:
    """Post, and check that the answer keeps the contract."""
    response = client.post(path, json=body)
    Contract(DOCUMENT).assert_kept(response)
    return response


def key_of(admin: httpx2.Client, account: str) -> dict[str, Any]:
    """The first key of an account, and its account's number."""
    accounts: list[dict[str, Any]] = []
    cursor: int | None = 0
    while cursor is not None:
        told = admin.get("/admin/v1/accounts", params={"cursor": cursor, "limit": 100}).json()
        accounts += told["data"]
        cursor = told["next"]
    [number] = [each["id"] for each in accounts if each["name"] == account]
    key = admin.get("/admin/v1/keys", params={"account_id": number}).json()["data"][0]
    return {"account_id": number, "id": key["id"]}


@pytest.mark.parametrize("path", CHANGES)
def test_no_address_changes_anything_for_a_key_without_the_scope(
    service: Service, new_key: Callable[..., str], path: str
) -> None:
    at = path.replace("{account_id}", "1").replace("{key_id}", "1").replace("{task_id}", TASK)
    with service.client(new_key()) as client, page(service, new_key()) as signed_in:
        for each in (client, signed_in):
            assert code(send(each, at, {"credits": 5})) == (403, "permission_denied")


def test_a_grant_is_added_and_recorded_with_key_and_address(admin: httpx2.Client, account: str) -> None:
    key = key_of(admin, account)
    granted = send(admin, f"/admin/v1/accounts/{key['account_id']}/grants", {"credits": 12.5})
    assert granted.json()["available_credits"] == 22.5
    entry = admin.get("/admin/v1/audit", params={"limit": 1}).json()["data"][0]
    assert (entry["action"], entry["account"], entry["key_id"]) == ("credits_granted", account, key["id"])
    assert entry["details"] == {"credits": 12.5, "address": "127.0.0.1"}


@pytest.mark.parametrize("amount", [0, -1, True, "5", None, 1e-7, 10**10, [5]])
def test_an_amount_that_is_none_is_refused(admin: httpx2.Client, account: str, amount: object) -> None:
    refused = send(admin, f"/admin/v1/accounts/{key_of(admin, account)['account_id']}/grants", {"credits": amount})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "credits")


def test_a_revoked_key_ends_with_its_sessions(admin: httpx2.Client, service: Service, account: str) -> None:
    other = f"{account}-other"
    with page(service, service.new_key(other)) as client:
        key = key_of(admin, other)
        revoked = send(admin, f"/admin/v1/keys/{key['id']}/revoke").json()
        assert revoked["revoked_at"] is not None
        eventually(lambda: client.get("/v1/credits").status_code == 401, 5)
    assert send(admin, f"/admin/v1/keys/{key['id']}/revoke").json() == revoked
    latest = admin.get("/admin/v1/audit", params={"limit": 1}).json()["data"][0]
    assert (latest["action"], latest["key_id"]) == ("key_revoked", key_of(admin, account)["id"])


def test_what_does_not_exist_is_not_found(admin: httpx2.Client) -> None:
    task = finish(admin, submit(admin)["id"])
    assert code(send(admin, "/admin/v1/accounts/999999999/grants", {"credits": 1})) == (404, "account_not_found")
    assert code(send(admin, "/admin/v1/keys/999999999/revoke")) == (404, "key_not_found")
    assert code(send(admin, f"/admin/v1/callbacks/{TASK}/redeliver")) == (404, "task_not_found")
    assert code(send(admin, f"/admin/v1/callbacks/{task['id']}/redeliver")) == (404, "callback_not_found")
