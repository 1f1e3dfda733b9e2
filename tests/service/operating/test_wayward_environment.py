"""A service in an environment meant for other programs: PostgreSQL's variables, proxies, certificates."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import psycopg
import pytest

from easel.commands.startup.listening import listen
from easel.settings.settings import SettingsWrong
from tests.support.command_line import easel
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.image_server import draws, image_server
from tests.support.ports import free_port
from tests.support.running_service import GENERATIONS, ORDER, Service, finish

NOT_THERE: Final = "/nowhere/certificates.pem"
POSTGRES: Final = {
    "PGAPPNAME": "x", "PGCHANNELBINDING": "require", "PGCLIENTENCODING": "LATIN1", "PGCONNECT_TIMEOUT": "never",
    "PGDATABASE": "elsewhere", "PGDATESTYLE": "German", "PGGSSENCMODE": "require", "PGHOST": "192.0.2.1",
    "PGHOSTADDR": "192.0.2.1", "PGLOADBALANCEHOSTS": "x", "PGMINPROTOCOLVERSION": "9", "PGOPTIONS": "-c statement_timeout=1",
    "PGPASSFILE": "/nowhere", "PGPASSWORD": "x", "PGPORT": "1", "PGREQUIREAUTH": "gss", "PGREQUIREPEER": "x",
    "PGSERVICE": "elsewhere", "PGSERVICEFILE": "/nowhere", "PGSSLMODE": "x", "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "/nowhere", "PGSYSCONFDIR": "/nowhere", "PGTARGETSESSIONATTRS": "read-only", "PGTZ": "Asia/Tokyo",
    "PGUSER": "nobody",
}  # fmt: skip
NETWORK: Final = {
    "ALL_PROXY": "socks5://192.0.2.1:1080", "HTTP_PROXY": "http://192.0.2.1:3128", "https_proxy": "junk", "NO_PROXY": "",
    "SSL_CERT_FILE": NOT_THERE, "SSL_CERT_DIR": "/nowhere", "REQUESTS_CA_BUNDLE": NOT_THERE,
}  # fmt: skip


@pytest.fixture(scope="module")
def wayward() -> Iterator[Service]:
    """A service on all addresses, whose image server is on this machine."""
    with image_server(draws()) as server, prepared_folder() as folder:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
        service = Service(folder, engine="remote", remote_url=server.url, host=host, trusted_proxies="127.0.0.1")
        service.environment |= POSTGRES | NETWORK
        with service:
            yield service


def test_postgresqls_variables_do_not_affect_the_private_database(wayward: Service) -> None:
    made = wayward.cli("keys", "create", "--account", "wäyward", "--credits", "3", "--json")
    assert "sk-easel-" in made.stdout
    assert "wäyward" in wayward.cli("keys", "list").stdout
    assert "BROKEN" not in wayward.cli("credits", "audit").stdout


def test_postgresqls_variables_do_not_affect_a_backup(wayward: Service) -> None:
    file = wayward.data_dir / "backup.tar"
    assert " as of " in wayward.cli("backup", str(file)).stderr
    assert file.stat().st_size > 0


def test_a_password_file_is_not_used_for_the_private_database(wayward: Service, tmp_path: Path) -> None:
    passwords = tmp_path / ".pgpass"
    passwords.write_text("*:*:*:*:wrong\n")
    passwords.chmod(0o666)  # libpq warns of it, wherever it reads it
    other = Service(wayward.data_dir)
    other.environment["HOME"] = str(tmp_path)
    assert other.cli("keys", "list").stderr == ""
    backed_up = other.cli("backup", str(tmp_path / "backup.tar")).stderr
    assert " as of " in backed_up
    assert "WARNING" not in backed_up
    with reachable_folder() as folder:
        secret = str(wayward.data_dir / "secret")
        ran = other.cli("restore", str(tmp_path / "backup.tar"), "--secret-file", secret, "--data-dir", str(folder))
        assert ran.stderr == ""


def test_connections_to_this_machine_use_neither_a_proxy_nor_certificates(wayward: Service, tmp_path: Path) -> None:
    key = wayward.new_key("loopback", "5", "--name", "made by the command line")
    file = tmp_path / "cat.webp"
    ready = re.findall(r" is ready at (\S+) \(", wayward.log_file.read_text())[-1]
    drawn = wayward.cli("generate", "a cute cat", "-o", str(file), "--url", ready, "--key", key)
    assert "drawn by remote" in drawn.stdout
    assert file.stat().st_size > 0
    assert "remote: http://127.0.0.1:" in wayward.cli("doctor", check=False).stdout


def test_a_service_on_all_addresses_answers_at_each_and_prints_a_working_one(wayward: Service) -> None:
    hosts = ["127.0.0.1", "[::1]"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    for host in hosts:
        assert httpx2.get(f"http://{host}:{wayward.port}/healthz", trust_env=False, timeout=30).status_code == 200
    assert f" is ready at http://127.0.0.1:{wayward.port} " in wayward.log_file.read_text()


def test_missing_certificates_are_reported_at_the_start_and_by_doctor(wayward: Service) -> None:
    sentence = (
        f"SSL_CERT_FILE names {NOT_THERE}, which cannot be used (No such file or directory): correct it, or unset it."
    )
    assert f"Warning: {sentence}" in wayward.log_file.read_text()
    assert f"PROBLEM  settings   {sentence}" in wayward.cli("doctor", check=False).stdout


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("wss", "https"),
        ("https", "https"),
        ("HTTPS", "https"),
        ("Https, http", "https"),
        ("http, https", "http"),
        (",https", "https"),
        ("ws", "http"),
        ("http", "http"),
        ("gopher", "http"),
        ("", "http"),
        ("wss2", "http"),
    ],
)
def test_links_use_the_scheme_that_a_trusted_proxy_reports(wayward: Service, proto: str, scheme: str) -> None:
    """The proxy is trusted as 127.0.0.1, and a socket for both families calls it ::ffff:127.0.0.1."""
    with wayward.client(wayward.new_key("proxied", "1")) as client:
        headers = {"x-forwarded-proto": proto, "host": "images.test"}
        task = client.post(GENERATIONS, json=ORDER, headers=headers).json()
        [link] = finish(client, task["id"])["results"]
        page = client.get("/docs", headers=headers).text
    assert link.startswith(f"{scheme}://images.test/pictures/")
    assert f"{scheme}://images.test/v1/images/generations" in page


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGSERVICE", "elsewhere"),
        ("PGCHANNELBINDING", "require"),
        ("PGOPTIONS", "--junk"),
        ("PGTARGETSESSIONATTRS", "read-only"),
        ("PGSSLMODE", "junk"),
        ("PGHOSTADDR", "junk"),
    ],
)
def test_with_an_external_database_postgresqls_variables_apply_and_a_failure_names_them(
    two_webs: Service, name: str, value: str
) -> None:
    failed = easel("credits", "show", **_own_database(two_webs), **{name: value})
    assert failed.returncode == 78
    assert f"check EASEL_DATABASE_URL (and {name}, which are set too) and that the server is running." in failed.stderr
    assert "Traceback" not in failed.stderr


def test_with_an_external_database_postgresqls_variables_can_complete_its_url(
    two_webs: Service, tmp_path: Path
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(two_webs.environment["EASEL_DATABASE_URL"])
    service_file = tmp_path / "services.conf"
    service_file.write_text(
        f"[easel]\nhost={parts['host']}\nport={parts['port']}\nuser={parts['user']}\ndbname=postgres\n"
    )
    own = _own_database(two_webs) | {"EASEL_DATABASE_URL": "postgresql://"}
    by_service = {"PGSERVICE": "easel", "PGSERVICEFILE": str(service_file)}
    by_parts = {
        "PGHOST": str(parts["host"]),
        "PGPORT": str(parts["port"]),
        "PGUSER": str(parts["user"]),
        "PGDATABASE": "postgres",
    }
    for more in (by_service, by_parts | {"PGDATESTYLE": "German", "PGCLIENTENCODING": "SQL_ASCII"}):
        shown = easel("keys", "list", **own, **more)
        assert shown.returncode == 0, shown.stderr
        assert "Account" in shown.stdout


def _own_database(fleet: Service) -> dict[str, str]:
    return {name: value for name, value in fleet.environment.items() if name.startswith("EASEL_")}


def test_listening_on_all_of_ipv6_includes_ipv4_if_the_system_supports_it() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has no socket for both families")
    for host in ("::", "[::]"):
        with listen(host, 0) as listening, socket.create_connection(("127.0.0.1", listening.getsockname()[1])):
            pass
    with listen("::1", 0) as listening, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listening.getsockname()[1]))


@pytest.mark.parametrize("host", ["2001:db8::1", "192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused_with_a_message(host: str) -> None:
    with pytest.raises(
        SettingsWrong, match=r"^Cannot listen on .* \(.*\): choose another address with --host or EASEL_HOST\.$"
    ):
        listen(host, free_port())
