"""The filters of operators' lists over HTTP find what the command line finds with the same filters."""

import json
from typing import Any, Final

import httpx2
import pytest

from tests.support.administration import TASK, account_named, latest_entry, read, send, sent
from tests.support.console_page import code, sign_in, who
from tests.support.running_service import Service, finish, submit

ROWS: Final = 100
REFUSED: Final = "a naked child"


def commanded(service: Service, *words: str) -> list[dict[str, Any]]:
    """The lines of a command that prints JSON."""
    return [json.loads(line) for line in service.cli(*words, "--json").stdout.splitlines()]


def actor(entry: dict[str, Any]) -> str:
    return str(entry["operator"])


@pytest.fixture
def acted(admin: httpx2.Client, service: Service, account: str) -> dict[str, Any]:
    """An account on which two have acted: somebody on the machine, and a key over HTTP. Returns its latest entry."""
    number = account_named(admin, account)["id"]
    sent(admin, f"accounts/{number}/grants", {"credits": 3})
    sent(admin, f"accounts/{number}/adjustments", {"credits": -1, "reason": "granted twice"})
    service.cli("credits", "grant", "--account", account, "2")
    return latest_entry(admin)


def test_the_audit_log_answers_over_http_as_the_command_does(
    admin: httpx2.Client, service: Service, account: str, acted: dict[str, Any]
) -> None:
    key = str(read(admin, "keys", account_id=account_named(admin, account)["id"])["data"][0]["id"])
    searches: list[tuple[dict[str, str], tuple[str, ...]]] = [
        ({}, ()),
        ({"action": "credits_granted"}, ("--action", "credits_granted")),
        ({"operator": actor(acted)}, ("--by", actor(acted))),
        ({"operator": "nobody@nowhere"}, ("--by", "nobody@nowhere")),
        ({"key_id": key}, ("--key", key)),
        ({"since": "1h"}, ("--since", "1h")),
        ({"since": "0"}, ("--since", "0")),
        ({"action": "credits_granted", "key_id": key, "since": "7d"},
         ("--action", "credits_granted", "--key", key, "--since", "7d")),
    ]  # fmt: skip
    found = []
    for query, options in searches:
        entries = read(admin, "audit", account=account, limit=ROWS, **query)["data"]
        listed = commanded(service, "audit", "--account", account, "--limit", str(ROWS), *options)
        assert [each["id"] for each in entries] == [each["id"] for each in listed], query
        assert [each["details"] for each in entries] == [each["details"] for each in listed], query
        found.append([each["action"] for each in entries])
    everything = ["credits_granted", "credits_adjusted", "credits_granted", "credits_granted", "key_created"]
    granted = [each for each in everything if each == "credits_granted"]
    of_the_key = ["credits_adjusted", "credits_granted"]
    assert found == [everything, granted, everything, [], of_the_key, everything, [], of_the_key[1:]]


def test_pages_of_a_filtered_audit_log_join_without_gaps(
    admin: httpx2.Client, account: str, acted: dict[str, Any]
) -> None:
    query = {"account": account, "action": acted["action"]}
    whole = read(admin, "audit", limit=ROWS, **query)
    first = read(admin, "audit", limit=2, **query)
    rest = read(admin, "audit", limit=2, cursor=first["next"], **query)
    assert (whole["next"], rest["next"]) == (None, None)
    assert first["data"] + rest["data"] == whole["data"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("audit", {"action": "nothing"}),
        ("audit", {"since": "5 days"}),
        ("audit", {"since": "366d"}),
        ("audit", {"key_id": "x"}),
        ("audit", {"account": "x" * 201}),
        ("audit", {"operator": "a\x00b"}),
        ("callbacks", {"account": "a\nb"}),
        ("moderation", {"outcome": "praised"}),
        ("moderation/counts", {"days": "0"}),
        ("accounts", {"name": "\ud800".encode("utf-16", "surrogatepass").decode("utf-8", "replace")}),
    ],
)
def test_a_filter_that_is_wrong_is_named(admin: httpx2.Client, path: str, query: dict[str, str]) -> None:
    refused = admin.get(f"/admin/v1/{path}", params=query)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, next(iter(query)))


def test_an_empty_filter_lets_everything_through(admin: httpx2.Client) -> None:
    assert read(admin, "audit", account="", action="", operator="", since="", limit=2)["data"]
    assert read(admin, "accounts", name="", limit=2)["data"]


def test_accounts_are_found_by_a_part_of_their_names(admin: httpx2.Client, account: str) -> None:
    name = f"Größe_100%-{account}"
    opened = sent(admin, "accounts", {"name": name})
    for part in (name, f"grÖßE_100%-{account}", f"_100%-{account}"):
        assert [each["id"] for each in read(admin, "accounts", name=part)["data"]] == [opened["id"]], part
    assert read(admin, "accounts", name=f"_200%-{account}")["data"] == []


def test_callbacks_are_listed_by_account_and_each_is_shown(
    admin: httpx2.Client, service: Service, account: str
) -> None:
    task = finish(admin, submit(admin, callback_url="https://example.com/hook")["id"])["id"]
    finish(admin, submit(admin)["id"])
    assert [each["task_id"] for each in read(admin, "callbacks", account=account)["data"]] == [task]
    assert read(admin, "callbacks", account="nobody's")["data"] == []
    shown = read(admin, f"callbacks/{task}")
    assert shown["url"] == "https://example.com/hook"
    commanded_ = json.loads(service.cli("callbacks", "show", task).stdout)
    assert (shown["id"], shown["task_id"]) == (commanded_["id"], commanded_["task_id"])
    assert code(admin.get(f"/admin/v1/callbacks/{TASK}")) == (404, "task_not_found")
    assert code(admin.get("/admin/v1/callbacks/nothing")) == (400, "invalid_task_id")


def test_decisions_of_moderation_are_listed_and_counted_as_the_command_does(
    admin: httpx2.Client, service: Service, account: str
) -> None:
    task = finish(admin, submit(admin, prompt=REFUSED)["id"])["id"]
    for query, options in (
        ({"account": account}, ("--account", account)),
        ({"task_id": task}, ("--task", task)),
        ({"account": account, "outcome": "refused"}, ("--account", account, "--outcome", "refused")),
        ({"account": account, "outcome": "unjudged"}, ("--account", account, "--outcome", "unjudged")),
    ):
        told = read(admin, "moderation", **query)["data"]
        listed = commanded(service, "moderation", "list", *options)
        assert [(each["task_id"], each["rule"], each["prompt_digest"]) for each in told] == [
            (each["task_id"], each["rule"], each["prompt_digest"]) for each in listed
        ]
        assert len(told) == (0 if query.get("outcome") == "unjudged" else 1)
    assert REFUSED not in admin.get("/admin/v1/moderation").text
    [counted] = [
        each for each in read(admin, "moderation/counts", days=1)["data"] if each["category"] == "sexual/minors"
    ]
    assert counted["decisions"] >= 1


def test_a_link_signs_in_to_the_account_once(admin: httpx2.Client, service: Service, account: str) -> None:
    number = account_named(admin, account)["id"]
    made = sent(admin, f"accounts/{number}/console-links")
    assert made["url"].startswith(f"{service.url}/#/signin?link=")
    entry = latest_entry(admin)
    assert (entry["action"], entry["account"]) == ("console_link_created", account)
    token = made["url"].split("link=")[1]
    assert token not in admin.get("/admin/v1/audit").text
    with service.client() as visitor:
        sign_in(visitor, link=token)
        assert who(visitor)["account"] == account
    with service.client() as second:
        assert code(second.post("/console/session", json={"link": token})) == (401, "unauthorized")


def test_no_link_is_made_for_an_account_without_a_valid_key(admin: httpx2.Client, account: str) -> None:
    number = sent(admin, "accounts", {"name": f"{account}-keyless"})["id"]
    assert code(send(admin, f"accounts/{number}/console-links")) == (409, "no_valid_key")
    assert code(send(admin, "accounts/999999999/console-links")) == (404, "account_not_found")
