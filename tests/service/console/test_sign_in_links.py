"""Links that sign in once: printed by `easel serve` on a terminal, and by `easel console`."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from tests.support.console_page import SESSION, code, sign_in, who
from tests.support.data_folders import prepared_folder
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import Service

LINK: Final = re.compile(r"(https?://\S+)/#/signin\?link=([A-Za-z0-9_-]{43})")


def printed(text: str) -> tuple[str, str]:
    """The address and the token of the only link in a text."""
    [(address, token)] = LINK.findall(text)
    return address, token


def test_a_link_signs_in_once_as_the_accounts_oldest_valid_key(service: Service, account: str) -> None:
    revoked, first = (service.new_key(account, "1", "--name", name) for name in ("revoked", "first"))
    service.new_key(account, "1", "--name", "second")
    with service.database() as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE hint = %s", (revoked[-4:],))
    shown = service.cli("console", "--account", account).stdout
    address, token = printed(shown)
    assert address == service.url
    assert f'account "{account}"' in shown
    assert '("first")' in shown
    with service.client() as client:
        described = sign_in(client, link=token).json()
        assert (described["account"], described["key"]["name"]) == (account, "first")
        assert described["key"]["ends"] == first[-4:]
        assert who(client) == described
    with service.client() as other:
        assert code(other.post(SESSION, json={"link": token})) == (401, "unauthorized")


def test_a_link_is_refused_after_ten_minutes(service: Service, account: str) -> None:
    service.new_key(account)
    token = printed(service.cli("console", "--account", account).stdout)[1]
    with service.client() as client, service.database() as connection:
        of_account = (
            "FROM console_links AS link JOIN api_keys ON api_keys.id = api_key_id JOIN accounts "
            "ON accounts.id = account_id WHERE accounts.name = %s"
        )
        left = connection.execute(
            f"SELECT extract(epoch FROM link.expires_at - now())::int {of_account}".encode(), (account,)
        ).fetchone()
        assert left is not None
        assert 540 < left[0] <= 600
        connection.execute(
            f"UPDATE console_links SET expires_at = now() WHERE digest IN (SELECT link.digest {of_account})".encode(),
            (account,),
        )
        connection.commit()
        assert code(client.post(SESSION, json={"link": token})) == (401, "unauthorized")
        count = f"SELECT count(*) {of_account}".encode()
        eventually(lambda: connection.execute(count, (account,)).fetchone() == (0,))


def test_a_link_ends_with_its_key(service: Service, account: str) -> None:
    key = service.new_key(account)
    token = printed(service.cli("console", "--account", account).stdout)[1]
    with service.database() as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE hint = %s", (key[-4:],))
    with service.client() as client:
        assert code(client.post(SESSION, json={"link": token})) == (401, "unauthorized")


def test_of_many_who_use_a_link_at_once_one_signs_in(service: Service, account: str) -> None:
    service.new_key(account)
    token = printed(service.cli("console", "--account", account).stdout)[1]

    def attempt(_number: int) -> int:
        with service.client() as client:
            return client.post(SESSION, json={"link": token}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [200] + [401] * 7


@pytest.mark.parametrize("link", ["", "x", "A" * 43, "A" * 44, "é" * 43, "\0" * 43])
def test_a_wrong_link_is_refused(service: Service, link: str) -> None:
    with service.client() as client:
        assert code(client.post(SESSION, json={"link": link})) == (401, "unauthorized")


def test_an_account_without_a_valid_key_gets_no_link(service: Service, account: str) -> None:
    for options in (["--account", account], ["--account", ""]):
        refused = service.cli("console", *options, check=False)
        assert refused.returncode == 1
        assert "easel keys create" in refused.stderr
    assert "default" in service.cli("console").stdout


def test_links_stand_in_the_audit_log_without_their_token(service: Service, account: str) -> None:
    service.new_key(account, "1", "--name", "mine")
    token = printed(service.cli("console", "--account", account).stdout)[1]
    logged = service.cli("audit", "--action", "console_link_created").stdout
    assert account in logged
    assert token not in logged
    assert token not in service.log_file.read_text()


def test_the_public_url_is_the_links_address(service: Service, new_key: Callable[..., str], account: str) -> None:
    new_key(account)
    environment = service.environment
    service.environment = {**environment, "EASEL_PUBLIC_URL": "https://images.test/easel"}
    try:
        shown = service.cli("console", "--account", account).stdout
    finally:
        service.environment = environment
    assert printed(shown)[0] == "https://images.test/easel"


def test_serve_prints_a_link_on_a_terminal_and_only_there() -> None:
    with prepared_folder() as folder:
        service = Service(folder)
        with service:
            assert not LINK.search(service.log_file.read_text())
        ours, theirs = os.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "easel", "serve", "--port", str(service.port)],
                env=service.environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            os.close(theirs)
            try:
                token = _token_on(ours)
                with service.client() as client:
                    assert sign_in(client, link=token).json()["account"] == "default"
                    assert code(client.post(SESSION, json={"link": token})) == (401, "unauthorized")
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_S)
        finally:
            os.close(ours)


def _token_on(terminal: int) -> str:
    """The token of the link that is printed on a terminal."""
    text = ""
    while not LINK.search(text):
        text += os.read(terminal, 4096).decode()
    return printed(text)[1]
