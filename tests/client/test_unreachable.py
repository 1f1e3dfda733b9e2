"""The client explains why it cannot reach a service, and what to do."""

import socket
from pathlib import Path

import pytest

from easel import Client, ClientError
from tests.support.ports import free_port
from tests.support.tls_receiver import Authority, answering, reset, tls_receiver

REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 81\r\nconnection: close\r\n\r\n"


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy and no certificates."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        for variant in (name, name.lower()):
            monkeypatch.delenv(variant, raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def failure(url: str, key: str = "k") -> str:
    """What an order comes to."""
    with pytest.raises(ClientError) as told, Client(url, key, setting="EASEL_URL or --url") as client:
        client.submit("x")
    return str(told.value)


def test_a_closed_port_asks_whether_the_service_is_running() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    told = failure(url)
    assert told == f"{url} cannot be reached: is `easel serve` running there? Otherwise correct EASEL_URL or --url"


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.test"])
def test_an_impossible_host_is_reported(host: str) -> None:
    assert failure(f"http://{host}:8000") == f"The host {host} does not exist: check EASEL_URL or --url"


def test_an_unknown_host_is_reported() -> None:
    told = failure("http://no-such-host.invalid:8000")
    assert "host no-such-host.invalid" in told  # where no name server answers, there may be one
    assert "check" in told
    assert "EASEL_URL or --url" in told


def test_an_invalid_address_is_reported() -> None:
    assert failure("http://0177.0.0.1:80").startswith("http://0177.0.0.1:80 is not a valid address of a service")


def test_a_service_without_tls_is_reported_with_the_working_address() -> None:
    with tls_receiver(lambda connection: connection.sendall(REFUSED), None) as plain:
        told = failure(f"https://127.0.0.1:{plain.port}")
    assert told == f"https://127.0.0.1:{plain.port} does not speak TLS: try http://127.0.0.1:{plain.port}"


def test_a_service_with_tls_only_is_reported_with_the_working_address(authority: Authority) -> None:
    with tls_receiver(reset, authority.context("127.0.0.1")) as secured:
        told = failure(f"http://127.0.0.1:{secured.port}")
    assert told.endswith(f"if it speaks TLS, try https://127.0.0.1:{secured.port}")


def test_a_certificate_of_an_unknown_authority_is_reported_with_the_variable_to_set(authority: Authority) -> None:
    with tls_receiver(reset, authority.context("127.0.0.1")) as secured:
        told = failure(f"https://127.0.0.1:{secured.port}")
    assert told.startswith(f"The certificate of https://127.0.0.1:{secured.port} is not trusted (")
    assert told.endswith("set SSL_CERT_FILE to a file with the certificate of the authority that signed it")


def test_certificates_without_the_authority_are_reported_with_their_variable(
    environ: pytest.MonkeyPatch, authority: Authority, tmp_path: Path
) -> None:
    environ.setenv("SSL_CERT_FILE", str(Authority().write(tmp_path / "other.pem")))
    with tls_receiver(reset, authority.context("127.0.0.1")) as secured:
        told = failure(f"https://127.0.0.1:{secured.port}")
    assert told.endswith("the certificates in SSL_CERT_FILE do not include the authority that signed it")


def test_an_expired_certificate_is_reported(environ: pytest.MonkeyPatch, authority: Authority, tmp_path: Path) -> None:
    environ.setenv("SSL_CERT_FILE", str(authority.write(tmp_path / "ours.pem")))
    with tls_receiver(reset, authority.context("127.0.0.1", expired=True)) as secured:
        told = failure(f"https://127.0.0.1:{secured.port}")
    assert told.endswith("is not trusted (certificate has expired)")


@pytest.mark.parametrize("key", ["", " ", "k\nk", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_reported_before_any_request(key: str) -> None:
    with pytest.raises(ClientError, match="API key"):
        Client("http://127.0.0.1:9", key)


def test_a_server_that_is_not_easel_is_reported() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    with tls_receiver(answering(answer), None) as other:
        url = f"http://127.0.0.1:{other.port}"
        told = failure(url)
    assert told == f"{url} answered 404, but not like Easel: check EASEL_URL or --url"


def test_an_unreachable_proxy_is_reported_with_the_way_to_bypass_it(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("https_proxy", f"http://user:hunter2@127.0.0.1:{free_port()}")
    told = failure("https://images.test")
    assert told == "The proxy in https_proxy could not be reached. Set NO_PROXY=images.test to bypass it"


def test_a_refusal_of_the_proxy_is_reported_with_its_reason(environ: pytest.MonkeyPatch) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    with tls_receiver(refuse, None) as proxy:
        environ.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with Client("https://images.test", "k") as client, pytest.raises(ClientError) as told:
            client.submit("x")
    assert str(told.value) == (
        "The proxy in HTTPS_PROXY could not forward the request to https://images.test "
        "(407 Proxy Authentication Required). Set NO_PROXY=images.test to bypass it"
    )


def test_a_proxy_that_answers_in_place_of_the_service_is_named(environ: pytest.MonkeyPatch) -> None:
    answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    with tls_receiver(answering(answer), None) as proxy:
        environ.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        told = failure("http://images.test")
    assert told.endswith("The request went through the proxy in HTTP_PROXY. Set NO_PROXY=images.test to bypass it")
