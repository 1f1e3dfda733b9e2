"""What operators see over HTTP: only with a key of the scope `admin`, and as the document describes it."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx2
import pytest
from tools.api_page.document import document

from tests.support.console_page import code, page, who
from tests.support.contract import Contract
from tests.support.data_folders import prepared_folder
from tests.support.running_service import Service, finish, submit

DOCUMENT: Final = document()
ADDRESSES: Final = sorted(
    path for path, item in DOCUMENT["paths"].items() if path.startswith("/admin/") and "get" in item
)
PAGES: Final = ("/admin/v1/accounts", "/admin/v1/keys", "/admin/v1/audit")


@pytest.fixture
def admin(service: Service, account: str) -> Iterator[httpx2.Client]:
    """A client with a key that may do everything."""
    scopes = ("--scope", "admin", "--scope", "generate", "--scope", "read")
    with service.client(service.new_key(account, "10", *scopes)) as client:
        yield client


def read(client: httpx2.Client, path: str, **query: Any) -> Any:
    """The body of an answer that keeps the contract."""
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    Contract(DOCUMENT).assert_kept(response)
    return response.json()


@pytest.mark.parametrize("path", ADDRESSES)
def test_no_address_answers_a_key_without_the_scope(service: Service, new_key: Callable[..., str], path: str) -> None:
    at = path.replace("{account_id}", "1")
    with service.client(new_key()) as client, page(service, new_key()) as signed_in:
        for each in (client, signed_in):
            assert code(each.get(at)) == (403, "permission_denied")
    with service.client() as stranger:
        assert code(stranger.get(at)) == (401, "unauthorized")


def test_the_scope_is_given_only_when_asked_for(service: Service, account: str, new_key: Callable[..., str]) -> None:
    with page(service, new_key()) as client:
        described = who(client)
        assert (described["admin"], described["key"]["scopes"]) == (False, ["generate", "read"])
    with page(service, service.new_key(account, "1", "--scope", "admin")) as client:
        assert who(client)["admin"] is True
        assert client.get("/admin/v1/overview").status_code == 200
        assert code(client.get("/admin/v1/overview", headers={"x-easel-console": ""}))[0] == 403
        assert code(client.get("/admin/v1/overview", headers={"sec-fetch-site": "cross-site"}))[0] == 403
        assert code(client.get("/v1/tasks"))[0] == 403


def test_the_overview_tells_what_happened(admin: httpx2.Client, service: Service) -> None:
    finish(admin, submit(admin)["id"])
    told = read(admin, "/admin/v1/overview")
    assert [engine["engine"] for engine in told["engines"]] == ["blank"]
    assert told["engines"][0]["pictures"] >= 1
    assert [worker["paused_because"] for worker in told["workers"]] == [None]
    assert told["storage"].keys() == {"bytes", "pictures"}
    with service.database() as connection:
        row = connection.execute(
            "SELECT count(*) FROM tasks WHERE error_code = 'request_cancelled' AND ended_at > now() - interval '1 day'"
        ).fetchone()
    assert row is not None
    cancelled = [each["tasks"] for each in told["failures"] if each["code"] == "request_cancelled"]
    assert cancelled == ([row[0]] if row[0] else [])


def test_an_account_is_shown_with_its_balance_and_its_keys(admin: httpx2.Client, account: str) -> None:
    finish(admin, submit(admin)["id"])
    shown, cursor = None, 0
    while shown is None:
        told = read(admin, "/admin/v1/accounts", cursor=cursor, limit=100)
        shown = next((each for each in told["data"] if each["name"] == account), None)
        cursor = told["next"]
    assert (shown["available_credits"], shown["used_credits"], shown["keys"]) == (9.974, 0.026, 1)
    assert read(admin, f"/admin/v1/accounts/{shown['id']}") == shown
    [key] = read(admin, "/admin/v1/keys", account_id=shown["id"])["data"]
    assert (key["account"], key["scopes"], key["used_credits"]) == (account, ["admin", "generate", "read"], 0.026)
    assert any(group["name"] == "default" for group in read(admin, "/admin/v1/groups")["data"])


@pytest.mark.parametrize("path", PAGES)
def test_pages_join_without_gaps(admin: httpx2.Client, new_key: Callable[..., str], path: str) -> None:
    for _ in range(3):
        new_key()
    first = read(admin, path, limit=2)
    assert len(first["data"]) == 2
    second = read(admin, path, limit=2, cursor=first["next"])
    both = read(admin, path, limit=4)
    assert both["data"] == first["data"] + second["data"]


def test_the_audit_log_tells_the_latest_first(admin: httpx2.Client, account: str) -> None:
    latest = read(admin, "/admin/v1/audit", limit=2)["data"]
    assert [(entry["action"], entry["account"]) for entry in latest] == [
        ("credits_granted", account), ("key_created", account),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/admin/v1/accounts", {"limit": "0"}),
        ("/admin/v1/accounts", {"cursor": "-1"}),
        ("/admin/v1/keys", {"account_id": "studio"}),
        ("/admin/v1/callbacks", {"state": "lost"}),
        ("/admin/v1/audit", {"limit": "101"}),
    ],
)
def test_a_wrong_parameter_is_named(admin: httpx2.Client, path: str, query: dict[str, str]) -> None:
    response = admin.get(path, params=query)
    Contract(DOCUMENT).assert_kept(response)
    assert (response.status_code, response.json()["error"]["param"]) == (400, next(iter(query)))


@pytest.mark.parametrize("number", ["0", "999999999", "99999999999999999999", "abc", "-1", "²"])
def test_an_account_that_does_not_exist_is_not_found(admin: httpx2.Client, number: str) -> None:
    assert code(admin.get(f"/admin/v1/accounts/{number}")) == (404, "account_not_found")


def test_without_the_console_nothing_is_administered_over_http() -> None:
    with (
        prepared_folder() as folder,
        Service(folder, console="off") as running,
        running.client(running.new_key("operators", "1", "--scope", "admin")) as client,
    ):
        for path in ADDRESSES:
            assert code(client.get(path.replace("{account_id}", "1"))) == (404, "not_found")
