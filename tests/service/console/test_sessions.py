"""The console's sessions: how they begin, what they may do, and how they end."""

import json
import re
from collections.abc import Callable
from typing import Final

import httpx2
import pytest

import easel
from easel.domain import console_session
from easel.domain.order import RATIOS_PX
from easel.store import console_sessions
from tests.support.console_page import COOKIE, FROM_PAGE, SESSION, code, page, sign_in, who
from tests.support.data_folders import prepare, prepared_folder, reachable_folder
from tests.support.event_stream import EventStream
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

LIFETIME_S: Final = 30 * 24 * 60 * 60
WELL_FORMED: Final = "sk-easel-0000000000000000000000000000000000000001n7GQL"
"""No service has this key."""


def set_cookie(response: httpx2.Response) -> tuple[str, str, set[str]]:
    """The name, the value and the attributes of the cookie that an answer sets."""
    [header] = response.headers.get_list("set-cookie")
    (name, _, value), *attributes = (part.partition("=") for part in header.split("; "))
    return name, value, {name + sign + text for name, sign, text in attributes}


def test_a_key_signs_in_and_the_session_is_described(service: Service, account: str) -> None:
    key = service.new_key(account, "10", "--name", "laptop", "--models", "z-image-turbo", "--scope", "read")
    with service.client() as client:
        assert who(client) == {"signed_in": False}
        described = sign_in(client, key=key).json()
        assert who(client) == described
    assert described == {
        "account": account,
        "admin": False,
        "aspect_ratios": list(RATIOS_PX),
        "engine": "blank",
        "key": {
            "ends": key[-4:], "expires_at": None, "models": ["z-image-turbo"], "name": "laptop", "scopes": ["read"],
        },
        "limits": {"prompt_characters_max": 2000, "side_px_max": 1536, "side_px_min": 376},
        "price_credits": 0.026,
        "signed_in": True,
        "version": easel.__version__,
    }  # fmt: skip


def test_a_session_draws_reads_follows_cancels_and_deletes(service: Service, new_key: Callable[..., str]) -> None:
    with page(service, new_key()) as client:
        task = submit(client)
        assert finish(client, task["id"])["status"] == "completed"
        with client.stream(
            "GET", f"/v1/tasks/{task['id']}/events", headers={"sec-fetch-site": "same-origin", "x-easel-console": ""}
        ) as events:
            assert "event: completed" in events.read().decode()
        assert client.get("/v1/credits").json()["data"]["user"]["used_credits"] == 0.026
        assert client.get("/v1/models").status_code == 200
        assert code(client.post(f"/v1/tasks/{task['id']}/cancel")) == (409, "already_completed")
        assert client.delete(f"/v1/tasks/{task['id']}").status_code == 200


def test_the_price_of_the_accounts_group_and_the_keys_expiry_are_shown(service: Service, account: str) -> None:
    key = service.new_key(account, "10", "--expires", "30d")
    service.cli("groups", "set", account, "--price", "0.5")
    service.cli("groups", "assign", account, account)
    with service.client() as client:
        described = sign_in(client, key=key).json()
    assert described["price_credits"] == 0.5
    with service.database() as connection:
        row = connection.execute(
            "SELECT floor(extract(epoch FROM expires_at))::bigint FROM api_keys WHERE hint = %s ORDER BY id DESC",
            (key[-4:],),
        ).fetchone()
    assert row == (described["key"]["expires_at"],)


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(
    service: Service, new_key: Callable[..., str]
) -> None:
    with service.client() as client:
        name, value, attributes = set_cookie(sign_in(client, key=new_key()))
        cleared = set_cookie(client.delete(SESSION, headers=FROM_PAGE))
    assert name == COOKIE
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", value)
    assert attributes == {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={LIFETIME_S}"}
    assert cleared == (COOKIE, "", {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=0"})


def test_the_cookie_is_secure_behind_a_proxy_that_speaks_https(two_webs: Fleet) -> None:
    key = two_webs.issue().key
    forwarded = {"x-forwarded-proto": "HTTPS"}
    with two_webs.client(web=1) as behind, two_webs.client(web=0) as untrusting:
        name, value, attributes = set_cookie(behind.post(SESSION, json={"key": key}, headers=forwarded))
        plain = set_cookie(untrusting.post(SESSION, json={"key": key}, headers=forwarded))
        asked = {**FROM_PAGE, **forwarded, "cookie": f"{name}={value}"}
        known = behind.get(SESSION, headers=asked)
        renamed = behind.get(SESSION, headers=asked | {"cookie": f"{COOKIE}={value}"})
    assert name == "__Host-easel_session"
    assert "Secure" in attributes
    assert plain[0] == COOKIE
    assert "Secure" not in plain[2]
    assert known.json()["signed_in"] is True
    # A page of a neighbouring host can set a cookie of this name, but none whose name begins with __Host-.
    assert renamed.json() == {"signed_in": False}


@pytest.mark.parametrize("key", [WELL_FORMED, WELL_FORMED[:-1], "", "x", "sk-easel-é", "\0"])
def test_a_wrong_key_is_refused(service: Service, key: str) -> None:
    with service.client() as client:
        refused = client.post(SESSION, json={"key": key})
        assert code(refused) == (401, "unauthorized")
        assert "set-cookie" not in refused.headers
        assert who(client) == {"signed_in": False}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b'{"key": null}', b'{"key": 1}', b'{"key": "a", "link": "b"}', b'{"link": []}']
)
def test_a_body_that_shows_nothing_is_refused(service: Service, body: bytes) -> None:
    with service.client() as client:
        assert code(client.post(SESSION, content=body)) == (400, "invalid_request")


def test_wrong_keys_and_links_count_as_failures_and_right_keys_that_are_known_still_sign_in() -> None:
    with prepared_folder() as folder, Service(folder, auth_failures_per_minute="5") as strict:
        key = strict.new_key("known")
        with strict.client() as client:
            sign_in(client, key=key)
            proofs = [{"key": WELL_FORMED}, {"link": "A" * 43}]
            refused = [client.post(SESSION, json=proofs[number % 2]) for number in range(7)]
            assert [each.status_code for each in refused] == [401] * 5 + [429] * 2
            assert int(refused[-1].headers["retry-after"]) >= 1
            assert sign_in(client, key=key).json()["signed_in"] is True
            assert who(client)["signed_in"] is True


def test_sign_ins_count_as_reads_of_the_key(two_webs: Fleet) -> None:
    key = two_webs.issue().key
    with two_webs.client(web=1) as client:
        answers = [client.post(SESSION, json={"key": key}) for _ in range(45)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert answers[0].headers["ratelimit"].startswith('"read";r=39')


def test_revoking_the_key_ends_its_sessions(service: Service, account: str) -> None:
    key = service.new_key(account)
    with page(service, key) as client, service.database() as connection:
        assert client.get("/console/tasks").status_code == 200
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE hint = %s", (key[-4:],))
        connection.commit()
        eventually(lambda: client.get("/console/tasks").status_code == 401)
        assert code(client.post(GENERATIONS, json=ORDER)) == (401, "unauthorized")
        left = client.get(SESSION)
        assert left.json() == {"signed_in": False}
        assert set_cookie(left)[1] == ""


def test_an_event_stream_of_a_session_ends_with_the_key(two_webs: Fleet) -> None:
    issued = two_webs.issue()
    with page(two_webs, issued.key) as client:
        task = submit(client)
        with EventStream(client, task["id"]) as stream:
            events = iter(stream)
            assert next(events).name == "pending"
            with two_webs.database() as connection:
                connection.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (issued.id,))
            for _ in events:
                pass
        assert stream.raw.decode().endswith(
            'event: error\ndata: {"error":{"code":"unauthorized","message":"Authentication required",'
            '"type":"authentication_error"}}\n\n'
        )


@pytest.mark.parametrize("what", ["session", "key"])
def test_a_session_that_has_expired_or_whose_key_has_is_over_and_is_swept(
    service: Service, account: str, what: str
) -> None:
    key = service.new_key(account)
    with page(service, key) as client, service.database() as connection:
        of_key = "api_key_id IN (SELECT id FROM api_keys WHERE hint = %s)"
        statement = {
            "session": f"UPDATE console_sessions SET expires_at = now() - interval '1 second' WHERE {of_key}",
            "key": "UPDATE api_keys SET expires_at = now() WHERE hint = %s",
        }[what]
        connection.execute(statement.encode(), (key[-4:],))
        connection.commit()
        eventually(lambda: client.get("/console/tasks").status_code == 401)
        assert who(client) == {"signed_in": False}
        if what == "session":
            count = f"SELECT count(*) FROM console_sessions WHERE {of_key}".encode()
            eventually(lambda: connection.execute(count, (key[-4:],)).fetchone() == (0,))


def test_signing_out_ends_the_session_and_only_that_one(service: Service, new_key: Callable[..., str]) -> None:
    key = new_key()
    with page(service, key) as client, page(service, key) as other:
        cookie = {"cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
        assert client.delete(SESSION).json() == {"signed_in": False}
        assert COOKIE not in client.cookies
        assert client.delete(SESSION).json() == {"signed_in": False}
        assert client.get("/console/tasks", headers=cookie).status_code == 401
        assert who(other)["signed_in"] is True


def test_signing_in_again_replaces_the_session(service: Service, new_key: Callable[..., str]) -> None:
    with page(service, new_key()) as client:
        before = client.cookies[COOKIE]
        sign_in(client, key=new_key())
        assert client.cookies[COOKIE] != before
        replaced = client.get("/console/tasks", headers={"cookie": f"{COOKIE}={before}"})
        assert replaced.status_code == 401
        assert who(client)["signed_in"] is True


def test_web_processes_share_sessions(two_webs: Fleet) -> None:
    key = two_webs.issue().key
    with two_webs.client(web=0) as first, two_webs.client(web=1) as second:
        sign_in(first, key=key)
        cookie = {**FROM_PAGE, "cookie": f"{COOKIE}={first.cookies[COOKIE]}"}
        assert second.get(SESSION, headers=cookie).json() == who(first)
        assert second.delete(SESSION, headers=cookie).json() == {"signed_in": False}
        eventually(lambda: who(first) == {"signed_in": False})


def test_a_keys_oldest_sessions_end_beyond_the_limit(two_webs: Fleet) -> None:
    issued = two_webs.issue()

    async def begin(database: object) -> None:
        async with database.transaction() as connection:  # type: ignore[attr-defined]  # a Database
            for number in range(console_session.SESSIONS_PER_KEY_MAX):
                await console_sessions.add(connection, bytes([number]) * 32, issued.id, 1000 + number)
            await connection.execute(
                "UPDATE console_sessions SET created_at = now() - interval '1 day' + get_byte(digest, 0) * interval '1 s' "
                "WHERE api_key_id = %s",
                (issued.id,),
            )

    two_webs.on_database(begin)
    with page(two_webs, issued.key) as client, two_webs.database() as connection:
        assert who(client)["signed_in"] is True
        rows = connection.execute(
            "SELECT get_byte(digest, 0) FROM console_sessions WHERE api_key_id = %s ORDER BY created_at", (issued.id,)
        ).fetchall()
    assert len(rows) == console_session.SESSIONS_PER_KEY_MAX
    assert rows[0] == (1,)


def test_neither_the_log_nor_the_database_holds_a_token(service: Service, new_key: Callable[..., str]) -> None:
    key = new_key()
    with page(service, key) as client:
        token = client.cookies[COOKIE]
        assert who(client)["signed_in"] is True
        client.delete(SESSION, headers={"x-easel-console": ""})
    with service.database() as connection:
        rows = connection.execute("SELECT s::text FROM console_sessions AS s").fetchall()
    assert rows
    for text in (service.log_file.read_text(), json.dumps(rows)):
        assert token not in text
        assert token.encode().hex() not in text
        assert key not in text


def test_a_restored_backup_has_no_session_and_no_link() -> None:
    with reachable_folder() as folder:
        for name in ("before", "after"):
            (folder / name).mkdir()
        prepare(folder / "before")
        with Service(folder / "before") as service:
            key = service.new_key("restored")
            with page(service, key) as client:
                cookie = client.cookies[COOKIE]
                service.cli("console", "--account", "restored")
                service.cli("backup", str(folder / "backup"))
        restored = Service(folder / "after")
        restored.cli("restore", str(folder / "backup"), "--unverified")
        with restored, restored.client() as client, restored.database() as connection:
            for table in ("console_sessions", "console_links"):
                assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
            client.cookies[COOKIE] = cookie
            assert who(client) == {"signed_in": False}
            assert sign_in(client, key=key).json()["account"] == "restored"


def test_a_key_describes_itself_and_a_wrong_one_is_refused(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client:
        assert client.get(SESSION).json()["account"] == account
    with service.client(WELL_FORMED) as wrong:
        assert code(wrong.get(SESSION)) == (401, "unauthorized")
