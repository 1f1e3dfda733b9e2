"""What operators change over HTTP: only with a key of the scope `admin`, and recorded in the audit log."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

import httpx2
import pytest

from tests.support.administration import TASK, account_named, concrete, latest_entry, listed, read, send, sent
from tests.support.console_page import code, page
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

CHANGES: Final = listed("post")
SOON: Final = int(datetime.now(UTC).timestamp()) + 86_400
BODIES: Final = {"credits": 5, "name": "x", "reason": "x", "group": "x", "price_credits": 1, "apply": True}


@pytest.mark.parametrize("path", CHANGES)
def test_no_address_changes_anything_for_a_key_without_the_scope_or_from_another_page(
    service: Service, ordinary_key: str, operator_key: str, path: str
) -> None:
    at = concrete(path).removeprefix("/admin/v1/")
    with service.client(ordinary_key) as client, page(service, ordinary_key) as signed_in:
        for each in (client, signed_in):
            assert code(send(each, at, BODIES)) == (403, "permission_denied")
    with page(service, operator_key) as operator:
        operator.headers["origin"] = "https://elsewhere.example"
        assert code(send(operator, at, BODIES)) == (403, "cross_site_request")
        del operator.headers["origin"], operator.headers["x-easel-console"]
        assert code(send(operator, at, BODIES)) == (403, "cross_site_request")
        operator.cookies.clear()
        assert code(send(operator, at, BODIES)) == (401, "unauthorized")


def test_an_account_is_opened_with_a_key_that_draws_its_first_picture(
    admin: httpx2.Client, service: Service, account: str
) -> None:
    name = f"{account}-<b>new</b>"
    opened = sent(admin, "accounts", {"name": name, "group": "partners", "credits": 1})
    assert (opened["name"], opened["group"], opened["available_credits"], opened["keys"]) == (name, "partners", 1, 0)
    assert code(send(admin, "accounts", {"name": name})) == (409, "account_exists")
    made = sent(admin, f"accounts/{opened['id']}/keys", {"name": "first", "credit_limit": 0.5, "unfinished_max": 3})
    assert (made["account"], made["scopes"], made["credit_limit"]) == (name, ["generate", "read"], 0.5)
    assert latest_entry(admin)["action"] == "key_created"
    shown = [admin.get("/admin/v1/audit"), admin.get("/admin/v1/keys", params={"account_id": opened["id"]})]
    assert made["id"] in {each["id"] for each in shown[1].json()["data"]}
    assert all(made["key"] not in answer.text for answer in shown)
    with service.client(made["key"]) as client:
        assert finish(client, submit(client)["id"])["status"] == "completed"


def test_a_grant_is_added_and_recorded_with_key_and_address(
    admin: httpx2.Client, service: Service, account: str
) -> None:
    number = account_named(admin, account)["id"]
    key = read(admin, "keys", account_id=number)["data"][0]
    assert sent(admin, f"accounts/{number}/grants", {"credits": 12.5})["available_credits"] == 22.5
    entry = latest_entry(admin)
    assert (entry["action"], entry["account"], entry["key_id"]) == ("credits_granted", account, key["id"])
    assert entry["details"] == {"credits": 12.5, "address": "127.0.0.1"}
    assert f"key {key['id']}" in service.cli("audit", "--account", account, "--limit", "1").stdout


def test_credits_are_taken_back_with_a_reason_as_far_as_there_are_any(admin: httpx2.Client, account: str) -> None:
    at = f"accounts/{account_named(admin, account)['id']}/adjustments"
    assert sent(admin, at, {"credits": -2.5, "reason": "granted twice"})["available_credits"] == 7.5
    assert latest_entry(admin)["details"]["reason"] == "granted twice"
    refused = send(admin, at, {"credits": -8, "reason": "all of it"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "credits")
    assert "7.5" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body"), [("grants", {"credits": 3}), ("adjustments", {"credits": -8, "reason": "twice at most"})]
)
def test_credits_that_are_sent_again_with_their_idempotency_key_are_entered_once(
    admin: httpx2.Client, account: str, path: str, body: dict[str, object]
) -> None:
    at = f"/admin/v1/accounts/{account_named(admin, account)['id']}/{path}"
    once = {"idempotency-key": f"{account}-lost-answer"}
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: admin.post(at, json=body, headers=once), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (left,) = {answer.json()["available_credits"] for answer in answers}
    assert left in (13, 2)
    assert code(admin.post(at, json=body | {"credits": 1}, headers=once)) == (409, "idempotency_conflict")
    assert account_named(admin, account)["available_credits"] == left
    entries = read(admin, "audit", account=account)["data"]
    assert [entry["details"].get("credits") for entry in entries].count(body["credits"]) == 1
    refused = admin.post(at, json=body, headers={"idempotency-key": "short"})
    assert code(refused) == (400, "invalid_request")


def test_an_account_holds_a_hundred_thousand_million_credits_at_most(
    admin: httpx2.Client, service: Service, account: str
) -> None:
    at = f"accounts/{account_named(admin, account)['id']}/grants"
    for _ in range(99):
        sent(admin, at, {"credits": 10**9})
    refused = send(admin, at, {"credits": 10**9})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "credits")
    assert "at most 100000000000 credits" in refused.json()["error"]["message"]
    by_command = service.cli("credits", "grant", "--account", account, "1000000000", check=False)
    assert "at most 100000000000 credits" in by_command.stderr


@pytest.mark.parametrize("amount", [0, -1, True, "5", None, 1e-7, 10**10, [5]])
def test_an_amount_that_is_none_is_refused(admin: httpx2.Client, account: str, amount: object) -> None:
    refused = send(admin, f"accounts/{account_named(admin, account)['id']}/grants", {"credits": amount})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "credits")


def test_a_group_gets_a_price_and_an_account(admin: httpx2.Client, account: str) -> None:
    group = f"{account}-partners"
    price = sent(admin, "groups", {"name": group, "price_credits": 0.02})
    assert price == {"model": "z-image-turbo", "name": group, "price_credits": 0.02}
    assert sent(admin, f"accounts/{account_named(admin, account)['id']}/group", {"group": group})["group"] == group
    assert latest_entry(admin)["action"] == "group_assigned"
    [listed_group] = [each for each in read(admin, "groups")["data"] if each["name"] == group]
    assert (listed_group["price_credits"], listed_group["accounts"]) == (0.02, 1)
    eventually(lambda: admin.post(GENERATIONS, json=ORDER).json()["usage"]["credits_reserved"] == 0.02)
    assert sent(admin, "groups", {"name": group, "price_credits": 0})["price_credits"] == 0


def test_a_key_is_limited_and_freed_again(admin: httpx2.Client, service: Service, account: str) -> None:
    number = account_named(admin, account)["id"]
    made = sent(admin, f"accounts/{number}/keys", {"name": "limited", "expires_at": SOON})
    at = f"keys/{made['id']}/limits"
    with service.client(made["key"]) as client:
        finish(client, submit(client)["id"])
        limited = sent(admin, at, {"credit_limit": 0.03, "creates_per_minute": 60})
        assert (limited["credit_limit"], limited["creates_per_minute"], limited["expires_at"]) == (0.03, 60, SOON)
        entry = latest_entry(admin)
        assert entry["action"] == "key_limited"
        assert entry["details"] == {
            "name": "limited", "limit": 0.03, "creates_per_minute": 60, "address": "127.0.0.1",
        }  # fmt: skip
        eventually(lambda: client.post(GENERATIONS, json=ORDER).status_code == 402)
        refused = send(admin, at, {"credit_limit": 0.02})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "credit_limit")
        assert "0.026" in refused.json()["error"]["message"]
        freed = sent(admin, at, {"credit_limit": None, "expires_at": None})
        assert (freed["credit_limit"], freed["creates_per_minute"], freed["expires_at"]) == (None, 60, None)
        eventually(lambda: client.post(GENERATIONS, json=ORDER).status_code == 200)


def test_a_key_is_limited_on_the_command_line(service: Service, account: str) -> None:
    key = service.new_key(account)
    with service.client(key) as client:
        finish(client, submit(client)["id"])
    listed_keys = service.cli("keys", "list", "--account", account).stdout
    number = next(
        word for line in listed_keys.splitlines() if account in line for word in line.split() if word.isdigit()
    )
    done = service.cli("keys", "limit", number, "--limit", "5", "--rate", "60", "--expires", "30d").stdout
    assert "at most 5 credits, 60 tasks per minute, the usual number of unfinished tasks, expires 20" in done
    again = service.cli("keys", "limit", number, "--limit", "none", "--expires", "none").stdout
    assert "no limit on credits, 60 tasks per minute" in again
    assert "expires never" in again
    low = service.cli("keys", "limit", number, "--limit", "0.01", check=False)
    assert "has used and reserved 0.026 credits" in low.stderr
    assert "Name at least one limit" in service.cli("keys", "limit", number, check=False).stderr
    assert "There is no key" in service.cli("keys", "limit", "999999", "--rate", "1", check=False).stderr


def test_a_revoked_key_ends_with_its_sessions(admin: httpx2.Client, service: Service, account: str) -> None:
    other = f"{account}-other"
    with page(service, service.new_key(other)) as client:
        key = read(admin, "keys", account_id=account_named(admin, other)["id"])["data"][0]
        revoked = sent(admin, f"keys/{key['id']}/revoke")
        assert revoked["revoked_at"] is not None
        eventually(lambda: client.get("/v1/credits").status_code == 401)
    assert sent(admin, f"keys/{key['id']}/revoke") == revoked
    latest = latest_entry(admin)
    assert (latest["action"], latest["details"]["address"]) == ("key_revoked", "127.0.0.1")


def test_the_secret_of_callbacks_is_shown_and_rotated(admin: httpx2.Client, service: Service, account: str) -> None:
    at = f"accounts/{account_named(admin, account)['id']}/callback-secret"
    shown = read(admin, at)
    assert shown["secrets"][0] in service.cli("keys", "callback-secret", "--account", account).stdout
    rotated = sent(admin, f"{at}/rotate", {"overlap_s": 60})
    assert rotated["secrets"][1:] == shown["secrets"]
    assert latest_entry(admin)["action"] == "callback_secret_rotated"
    assert read(admin, at) == rotated


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("accounts", {"name": " "}, "name"),
        ("accounts", {"name": "x" * 65}, "name"),
        ("accounts", {"name": "a\nb"}, "name"),
        ("accounts", {"title": "x"}, "title"),
        ("accounts/1/keys", {"scopes": []}, "scopes"),
        ("accounts/1/keys", {"scopes": ["root"]}, "scopes"),
        ("accounts/1/keys", {"models": ["other"]}, "models"),
        ("accounts/1/keys", {"expires_at": 5}, "expires_at"),
        ("accounts/1/keys", {"creates_per_minute": 0}, "creates_per_minute"),
        ("accounts/1/keys", {"credits_limit": 5}, "credits_limit"),
        ("accounts/1/adjustments", {"credits": 0, "reason": "x"}, "credits"),
        ("accounts/1/adjustments", {"credits": -1}, "reason"),
        ("accounts/1/group", {"group": ""}, "group"),
        ("accounts/1/callback-secret/rotate", {"overlap_s": -1}, "overlap_s"),
        ("keys/1/limits", {"unfinished_max": True}, "unfinished_max"),
        ("groups", {"name": "x", "price_credits": -1}, "price_credits"),
        ("groups", {"name": "x", "price_credits": 1, "model": "other"}, "model"),
        ("credits/repair", {"apply": "yes"}, "apply"),
    ],
)
def test_a_field_that_is_wrong_or_unknown_is_named(
    service: Service, operator_key: str, path: str, body: dict[str, object], param: str
) -> None:
    with service.client(operator_key) as operator:
        refused = send(operator, path, body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


def test_what_does_not_exist_is_not_found(admin: httpx2.Client) -> None:
    task = finish(admin, submit(admin)["id"])
    for path, body in (
        ("grants", {"credits": 1}), ("adjustments", {"credits": 1, "reason": "x"}), ("group", {"group": "x"}),
        ("keys", {}), ("callback-secret/rotate", {}),
    ):  # fmt: skip
        assert code(send(admin, f"accounts/999999999/{path}", body)) == (404, "account_not_found")
    for path in ("revoke", "limits"):
        assert code(send(admin, f"keys/999999999/{path}", {})) == (404, "key_not_found")
    assert code(send(admin, f"callbacks/{TASK}/redeliver")) == (404, "task_not_found")
    assert code(send(admin, f"callbacks/{task['id']}/redeliver")) == (404, "callback_not_found")
