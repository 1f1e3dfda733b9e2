"""What operators see over HTTP: only with a key of the scope `admin`, and as the document describes it."""

from collections.abc import Callable
from typing import Final

import httpx2
import pytest
from tools.api_page.document import document

from tests.support.administration import account_named, concrete, listed, read, sent
from tests.support.console_page import code, page, who
from tests.support.contract import Contract
from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

DOCUMENT: Final = document()
ADDRESSES: Final = listed("get")
PAGES: Final = ("accounts", "keys", "audit")


@pytest.mark.parametrize("path", ADDRESSES)
def test_no_address_answers_a_key_without_the_scope(service: Service, ordinary_key: str, path: str) -> None:
    at = concrete(path)
    with service.client(ordinary_key) as client, page(service, ordinary_key) as signed_in:
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


def cancelled_lately(service: Service) -> int:
    """How many tasks of all accounts were cancelled within a day."""
    with service.database() as connection:
        row = connection.execute(
            "SELECT count(*) FROM tasks WHERE error_code = 'request_cancelled' AND ended_at > now() - interval '1 day'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_overview_tells_what_happened(admin: httpx2.Client, service: Service) -> None:
    finish(admin, submit(admin)["id"])
    before = cancelled_lately(service)
    told = read(admin, "overview")
    after = cancelled_lately(service)
    assert [engine["engine"] for engine in told["engines"]] == ["blank"]
    assert told["engines"][0]["pictures"] >= 1
    [worker] = told["workers"]
    assert (worker["engine"], worker["device"], worker["paused_because"]) == ("blank", "cpu", None)
    eventually(lambda: read(admin, "overview")["workers"][0]["pictures_last_hour"] >= 1)
    assert told["storage"].keys() == {"bytes", "pictures"}
    counts = [each["tasks"] for each in told["failures"] if each["code"] == "request_cancelled"]
    assert before <= sum(counts) <= after
    assert 0 not in counts


def test_an_account_is_shown_with_its_balance_and_its_keys(admin: httpx2.Client, account: str) -> None:
    finish(admin, submit(admin)["id"])
    shown = account_named(admin, account)
    assert (shown["available_credits"], shown["used_credits"], shown["keys"]) == (9.974, 0.026, 1)
    assert read(admin, f"accounts/{shown['id']}") == shown
    [key] = read(admin, "keys", account_id=shown["id"])["data"]
    assert (key["account"], key["scopes"], key["used_credits"]) == (account, ["admin", "generate", "read"], 0.026)
    assert any(group["name"] == "default" for group in read(admin, "groups")["data"])


@pytest.mark.parametrize("path", PAGES)
def test_pages_join_without_gaps(admin: httpx2.Client, new_key: Callable[..., str], path: str) -> None:
    for _ in range(3):
        new_key()
    first = read(admin, path, limit=2)
    assert len(first["data"]) == 2
    second = read(admin, path, limit=2, cursor=first["next"])
    both = read(admin, path, limit=4)
    # Balances and counts may change in between, by what other tests left to be drawn.
    assert [each["id"] for each in both["data"]] == [each["id"] for each in first["data"] + second["data"]]


def test_the_audit_log_tells_the_latest_first(admin: httpx2.Client, account: str) -> None:
    latest = read(admin, "audit", limit=2)["data"]
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
            assert code(client.get(concrete(path))) == (404, "not_found")


def test_the_doctor_tells_over_http_what_it_finds(admin: httpx2.Client, service: Service) -> None:
    told = read(admin, "doctor")
    assert all(finding["is_ok"] for finding in told["findings"]), told
    subjects = {finding["subject"] for finding in told["findings"]}
    assert {"settings", "database", "workers", "storage", "engine", "moderation"} <= subjects
    words = {finding["subject"]: finding["words"] for finding in told["findings"]}
    assert str(service.data_dir) in words["settings"]
    assert words["web"] == f"1 web process on port {service.port}"
    assert words["database"].startswith("private PostgreSQL, reachable")
    assert read(admin, "doctor") == told


def test_the_invariants_of_credits_are_audited_and_repaired_over_http(
    admin: httpx2.Client, service: Service, account: str
) -> None:
    finish(admin, submit(admin)["id"])
    assert all(each["holds"] for each in sent(admin, "credits/audit")["invariants"])
    with service.database() as connection:
        connection.execute(
            """
            UPDATE daily_usage SET completed = completed + 7, spent_microcredits = 0
            WHERE account_id = (SELECT id FROM accounts WHERE name = %s)
            """,
            (account,),
        )
    [change] = sent(admin, "credits/repair", {})["changes"]
    assert (change["account"], change["stored"]["completed"], change["derived"]["completed"]) == (account, 8, 1)
    applied = sent(admin, "credits/repair", {"apply": True})
    assert applied == {"changes": [change], "is_applied": True}
    assert sent(admin, "credits/repair", {})["changes"] == []
    assert admin.get("/v1/usage").json()["total"]["completed"] == 1
    assert read(admin, "audit", limit=1)["data"][0]["action"] == "credits_repaired"
