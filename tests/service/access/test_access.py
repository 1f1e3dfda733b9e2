"""Keys and accounts: authentication, scopes, and the separation of accounts."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from easel.domain import api_key
from tests.support.acting import ACTS_WITHIN_S
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, read_task, submit

UNKNOWN_TASK = "/v1/tasks/task-unified-1757165031-uyujaw3d"
ENDPOINTS = [("POST", GENERATIONS), ("GET", UNKNOWN_TASK), ("GET", "/v1/credits"), ("GET", "/v1/models")]
UNKNOWN_KEY = api_key.from_random(bytes(api_key.RANDOM_BYTES))


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("access")


@pytest.fixture(scope="module")
def client(service: Service, key: str) -> Iterator[httpx2.Client]:
    with service.client(key) as client:
        yield client


@pytest.fixture(scope="module")
def other(service: Service) -> Iterator[httpx2.Client]:
    """A client of another account."""
    with service.client(service.new_key("access-other")) as client:
        yield client


@pytest.fixture(scope="module")
def expired_key(service: Service) -> str:
    made = issue(service, "access", "--expires", "1d")
    change_key(service, made["id"], "expires_at = now()")
    return str(made["key"])


@pytest.fixture(scope="module")
def revoked_key(service: Service) -> str:
    made = issue(service, "access")
    assert service.cli("keys", "revoke", str(made["id"])).stdout == f"Key {made['id']} is revoked.\n"
    return str(made["key"])


def issue(service: Service, account: str, *options: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(service.cli("keys", "create", "--account", account, "--json", *options).stdout)
    return made


def change_key(service: Service, key_id: int, change: str) -> None:
    """Change a key's row in a way that no command does."""
    with service.database() as connection:
        changed = connection.execute(f"UPDATE api_keys SET {change} WHERE id = %s".encode(), (key_id,))
        assert changed.rowcount == 1


def status_of(service: Service, key: str, method: str, path: str) -> int:
    with service.client(key) as client:
        return client.request(method, path, json=ORDER if method == "POST" else None).status_code


def bad_authorizations(key: str, expired: str, revoked: str) -> list[bytes | None]:
    typo = key[:-1] + ("0" if key[-1] != "0" else "1")
    presented = [
        "Bearer", "", "Basic dXNlcjpwYXNz", key, f"Token {key}", f"Bearer{key}", f"Bearer {key} {key}",
        f"Bearer {key},{key}", f'Bearer "{key}"', f"Bearer {key}\u00e9", f"Bearer {key[:-1]}", f"Bearer {key}0",
        f"Bearer {typo}", f"Bearer {key.upper()}", "Bearer sk-easel-", "Bearer " + "x" * 5000, f"Bearer {UNKNOWN_KEY}",
        f"Bearer {expired}", f"Bearer {revoked}", "Bearer sk-evolink-0123456789abcdef", "Bearer \u00ff\u00fe",
    ]  # fmt: skip
    return [None, *(text.encode("latin-1") for text in presented)]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_bad_key_gets_the_same_401(
    service: Service, key: str, expired_key: str, revoked_key: str, method: str, path: str
) -> None:
    answers = set()
    with service.client() as stranger:
        for authorization in bad_authorizations(key, expired_key, revoked_key):
            headers = {} if authorization is None else {b"authorization": authorization}
            response = stranger.request(method, path, headers=headers, json=ORDER if method == "POST" else None)
            shown = {name: value for name, value in response.headers.items() if name not in {"date", "x-request-id"}}
            answers.add((response.status_code, response.content, json.dumps(shown)))
    assert len(answers) == 1, answers
    assert answers.pop()[0] == 401


def test_the_word_bearer_is_case_insensitive(service: Service, key: str) -> None:
    with service.client() as client:
        for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
            assert client.get("/v1/models", headers={"authorization": f"{scheme} {key}"}).status_code == 200


def test_a_key_in_the_url_is_ignored(service: Service, key: str) -> None:
    with service.client() as stranger:
        assert stranger.get("/v1/models", params={"api_key": key, "key": key, "token": key}).status_code == 401


def test_revoking_a_key_takes_effect_within_a_second_and_spares_the_accounts_other_key(service: Service) -> None:
    first, second = issue(service, "access-rotation"), issue(service, "access-rotation")
    with service.client(first["key"]) as client:
        assert client.get("/v1/models").status_code == 200
        service.cli("keys", "revoke", str(first["id"]))
        time.sleep(ACTS_WITHIN_S)
        assert client.get("/v1/models").status_code == 401
    assert status_of(service, second["key"], "GET", "/v1/models") == 200


def test_revoking_a_nonexistent_key_is_reported(service: Service) -> None:
    told = service.cli("keys", "revoke", "999999", check=False)
    assert told.returncode == 1
    assert "There is no key 999999" in told.stderr


def test_a_key_expires_at_its_date(service: Service) -> None:
    made = issue(service, "access-expiry", "--expires", "1d")
    assert status_of(service, made["key"], "GET", "/v1/models") == 200
    change_key(service, made["id"], "expires_at = expires_at - interval '1 day'")
    time.sleep(ACTS_WITHIN_S)
    assert status_of(service, made["key"], "GET", "/v1/models") == 401


@pytest.mark.parametrize(
    ("scopes", "statuses"),
    [
        (("--scope", "read"), [403, 404, 200, 200]),
        (("--scope", "generate"), [200, 403, 403, 200]),
        (("--scope", "generate", "--scope", "read"), [200, 404, 200, 200]),
        ((), [200, 404, 200, 200]),
    ],
    ids=["read", "generate", "both", "all"],
)
def test_a_key_can_do_what_its_scopes_allow(service: Service, scopes: tuple[str, ...], statuses: list[int]) -> None:
    made = issue(service, "access-scopes", "--credits", "1", *scopes)
    assert [status_of(service, made["key"], *endpoint) for endpoint in ENDPOINTS] == statuses


def test_a_scope_of_a_later_version_does_not_spoil_a_key(service: Service) -> None:
    key = service.new_key("later")
    with service.database() as connection:
        connection.execute("UPDATE api_keys SET scopes = scopes || '{levitate}' WHERE hint = %s", (api_key.hint(key),))
    with service.client(key) as client:
        assert client.get("/v1/credits").status_code == 200


def test_a_read_only_key_is_refused_with_a_reason_and_spends_nothing(service: Service) -> None:
    made = issue(service, "access-reader", "--credits", "1", "--scope", "read")
    with service.client(made["key"]) as client:
        refused = client.post(GENERATIONS, json=ORDER)
        assert refused.json()["error"]["code"] == "permission_denied"
        assert client.get("/v1/credits").json()["data"]["user"] == {"remaining_credits": 1, "used_credits": 0}


def test_a_key_can_use_only_its_own_models(service: Service) -> None:
    made = issue(service, "access-models", "--credits", "1", "--models", "z-image-turbo")
    with service.client(made["key"]) as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["z-image-turbo"]
        submit(client)
        change_key(service, made["id"], "models = '{another-model}'")
        none_at_all = {"data": [], "object": "list"}
        time.sleep(ACTS_WITHIN_S)
        assert client.get("/v1/models").json() == none_at_all
        refused = client.post(GENERATIONS, json=ORDER)
        assert (refused.status_code, refused.json()["error"]) == (
            403,
            {
                "code": "model_access_denied",
                "message": "Token does not have access to model: z-image-turbo",
                "type": "invalid_request_error",
            },
        )


def test_models_are_listed_in_openais_format(client: httpx2.Client) -> None:
    assert client.get("/v1/models").content == (
        b'{"data":[{"created":0,"id":"z-image-turbo","object":"model","owned_by":"easel"}],"object":"list"}'
    )


def test_the_database_stores_no_key_in_plain_text(service: Service, key: str) -> None:
    with service.database() as connection:
        rows = connection.execute("SELECT row_to_json(api_keys)::text, digest FROM api_keys").fetchall()
    assert all(key not in row and key[9:20] not in row and len(digest) == 32 for row, digest in rows)
    listed = service.cli("keys", "list", "--account", "access").stdout
    assert key not in listed
    assert key[-4:] in listed


def test_another_accounts_task_looks_like_a_missing_task(client: httpx2.Client, other: httpx2.Client) -> None:
    unfinished, finished = submit(client), finish(client, submit(client)["id"])
    unknown = other.get(UNKNOWN_TASK)
    for task in (unfinished, finished):
        for method in ("GET", "HEAD"):
            foreign = other.request(method, f"/v1/tasks/{task['id']}")
            assert foreign.status_code == unknown.status_code == 404
            assert foreign.content == (unknown.content if method == "GET" else b"")
        assert read_task(client, task["id"])["id"] == task["id"]


def test_credits_are_counted_by_account_and_usage_by_key(service: Service) -> None:
    payer, bystander = service.new_key("access-payer", "1"), service.new_key("access-bystander", "2")
    second = issue(service, "access-payer")["key"]
    with service.client(payer) as client:
        finish(client, submit(client)["id"])
        own = client.get("/v1/credits").content
    assert own == (
        b'{"data":{"token":{"remaining_credits":0.974,"unlimited_credits":true,"used_credits":0.026},'
        b'"user":{"remaining_credits":0.974,"used_credits":0.026}},"message":"","success":true}'
    )
    with service.client(second) as client:
        data = client.get("/v1/credits").json()["data"]
        assert data["token"] == {"remaining_credits": 0.974, "unlimited_credits": True, "used_credits": 0}
        assert data["user"] == {"remaining_credits": 0.974, "used_credits": 0.026}
    with service.client(bystander) as client:
        data = client.get("/v1/credits").json()["data"]
        assert data["user"] == {"remaining_credits": 2, "used_credits": 0}


def test_two_keys_of_one_account_can_read_each_others_tasks(service: Service, client: httpx2.Client) -> None:
    task = finish(client, submit(client)["id"])
    with service.client(issue(service, "access")["key"]) as second:
        assert read_task(second, task["id"]) == task


def test_anyone_with_a_link_can_open_its_picture(service: Service, client: httpx2.Client, other: httpx2.Client) -> None:
    link = finish(client, submit(client)["id"])["results"][0]
    with service.client() as stranger, service.client("nonsense") as mistaken:
        pictures = {each.get(link).content for each in (client, other, stranger, mistaken)}
    assert len(pictures) == 1


def test_identical_orders_of_two_accounts_have_different_links(client: httpx2.Client, other: httpx2.Client) -> None:
    first, second = (finish(each, submit(each, seed=7)["id"])["results"][0] for each in (client, other))
    assert first.rpartition("/")[2] != second.rpartition("/")[2]
