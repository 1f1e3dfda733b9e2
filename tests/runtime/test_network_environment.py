"""Proxies and certificates in the environment: how each client uses them, and the errors if it cannot."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest

from easel import Client, ClientError
from easel.engines.engine import EngineUnusable
from easel.engines.remote.engine import Remote, RemoteServers
from easel.outside.judges.endpoint import EndpointUnusable, ModerationEndpoint
from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.runtime import network_environment, process_environment
from easel.runtime.network_environment import NetworkUnusable
from tests.support.image_server import MODEL, image_server, says

VARIABLES: Final = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
TASK: Final = {"id": "task-1", "status": "pending", "progress": 0, "model": "z-image-turbo", "created": 0}
SOCKS: Final = "socks5://127.0.0.1:9"
NAME: Final = "ab/abcdef.png"
NOT_THERE: Final = [
    ("SSL_CERT_FILE", "/nowhere"),
    ("SSL_CERT_FILE", "/tmp"),
    ("SSL_CERT_FILE", __file__),
    ("SSL_CERT_DIR", "/nowhere"),
]


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names nothing."""
    for name in VARIABLES:
        for variant in (name, name.lower()):
            monkeypatch.setenv(variant, "")
            monkeypatch.delenv(variant)
    return monkeypatch


class Hit(BaseHTTPRequestHandler):
    """Notes what it is asked, and has little to say."""

    def answer(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        body = json.dumps(TASK).encode() if self.command == "POST" else b""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("etag", '"x"')
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_CONNECT = answer  # noqa: N815 - as the library calls them

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that may be a proxy as well: its address, and what it was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hit) as server:
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", server.asked  # type: ignore[attr-defined]
        server.shutdown()


def ordered(url: str) -> str:
    """Order a picture, and return the id of its task."""
    with Client(url, "k") as client:
        return client.submit("x").id


@pytest.mark.parametrize("name", [*VARIABLES[:3], "http_proxy", "all_proxy"])
@pytest.mark.parametrize("value", [SOCKS, "http://127.0.0.1:9", "junk://x", "http://[", "127.0.0.1:9"])
def test_this_machine_is_reached_without_a_proxy(environ: pytest.MonkeyPatch, name: str, value: str) -> None:
    environ.setenv(name, value)
    with listener() as (url, asked):
        for host in ("127.0.0.1", "localhost"):
            assert ordered(url.replace("127.0.0.1", host)) == "task-1"
    assert asked == ["/v1/images/generations"] * 2


@pytest.mark.parametrize("spelling", ["127.1", "2130706433", "0x7f.1"])
def test_this_machine_is_reached_without_a_proxy_in_every_notation_of_its_address(
    environ: pytest.MonkeyPatch, spelling: str
) -> None:
    environ.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with listener() as (url, asked):
        assert ordered(url.replace("127.0.0.1", spelling)) == "task-1"
    assert asked == ["/v1/images/generations"]


@pytest.mark.parametrize("name", [*VARIABLES[:3], "http_proxy", "https_proxy", "all_proxy"])
@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_a_blank_variable_names_no_proxy(environ: pytest.MonkeyPatch, name: str, value: str) -> None:
    environ.setenv(name, value)
    assert network_environment.proxy_for("http://images.test") is None
    assert network_environment.proxy_for("https://images.test") is None
    assert network_environment.proxy_variables() == []
    process_environment.keep_loopback_direct()
    assert not os.environ.get(name)  # noqa: TID251 - what others will read


def test_whitespace_around_a_proxy_is_ignored(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("HTTP_PROXY", " http://proxy.test:3128 ")
    assert network_environment.proxy_for("http://images.test") == "http://proxy.test:3128"


@pytest.mark.parametrize(("name", "value"), [*NOT_THERE, ("REQUESTS_CA_BUNDLE", "/nowhere")])
def test_plain_http_needs_no_certificates(environ: pytest.MonkeyPatch, name: str, value: str) -> None:
    environ.setenv(name, value)
    with listener() as (url, _):
        assert ordered(url) == "task-1"
    with image_server(says(200, {"data": []})) as server:
        (looked,) = Remote(RemoteServers((server.url,), MODEL, None, 5, 1, 0)).look()
        assert looked.state == "ok"
        ModerationEndpoint(server.url, "m", None)


def test_other_hosts_are_reached_through_the_proxy(environ: pytest.MonkeyPatch) -> None:
    with listener() as (proxy, asked):
        environ.setenv("HTTP_PROXY", proxy.removeprefix("http://"))
        assert ordered("http://images.test") == "task-1"
        assert asked == ["http://images.test/v1/images/generations"]


@pytest.mark.parametrize("spared", ["images.test", ".test", "other.test, images.test", "*", "images.test:80"])
def test_no_proxy_names_hosts_that_are_reached_directly(environ: pytest.MonkeyPatch, spared: str) -> None:
    environ.setenv("HTTP_PROXY", SOCKS)
    environ.setenv("NO_PROXY", spared)
    assert network_environment.proxy_for("http://images.test") is None
    assert network_environment.proxy_for("http://images.test:80/v1") is None


def test_no_proxy_names_networks(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("ALL_PROXY", SOCKS)
    environ.setenv("NO_PROXY", "10.0.0.0/8,fd00::/8")
    assert network_environment.proxy_for("http://10.1.2.3:8000") is None
    assert network_environment.proxy_for("http://[fd00::1]:8000") is None
    with pytest.raises(NetworkUnusable):
        network_environment.proxy_for("http://192.0.2.1")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "value", [SOCKS, "socks5h://u:hunter2@p:1", "junk://x", "http://[", "http://", "http://p:99999"]
)
def test_an_unusable_proxy_is_reported_with_its_variable(environ: pytest.MonkeyPatch, name: str, value: str) -> None:
    environ.setenv(name, value)
    with pytest.raises(ClientError, match=rf"^{name} does not name an http:// or https:// proxy") as told:
        ordered("http://images.test")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(("name", "value"), NOT_THERE)
def test_unusable_certificates_are_reported_by_every_client_that_needs_them(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environ.setenv(name, value)
    sentence = rf"^{name} names {value}, which .*: correct it, or unset it"
    with pytest.raises(ClientError, match=sentence):
        ordered("https://images.test")
    with pytest.raises(EngineUnusable, match=sentence):
        Remote(RemoteServers(("https://images.test",), "m", None, 5, 1, 0))
    with pytest.raises(EndpointUnusable, match=sentence):
        ModerationEndpoint("https://images.test", "m", None)
    with pytest.raises(StorageFailed, match=sentence[1:]):
        bucket("https://images.test")


def bucket(endpoint: str) -> Pictures:
    options = {"aws_endpoint": endpoint, "aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region": "x"}
    return Pictures("s3://b/p", options, deadline_s=4)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize("value", [SOCKS, "http://127.0.0.1:9"])
def test_a_bucket_on_this_machine_is_reached_without_a_proxy(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environ.setenv(name, value)
    environ.setenv("NO_PROXY", "images.test")
    process_environment.keep_loopback_direct()
    with listener() as (url, asked):
        for host in ("127.0.0.1", "localhost"):
            asyncio.run(bucket(url.replace("127.0.0.1", host)).put(NAME, b"x", "image/png"))
    assert asked == [f"/b/p/{NAME}"] * 2
    assert os.environ["NO_PROXY"].startswith("images.test,localhost,")  # noqa: TID251 - what others will read


def test_the_error_about_an_unreachable_bucket_names_the_proxy_variable(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("ALL_PROXY", SOCKS)
    with pytest.raises(StorageFailed, match=r"and the proxy that ALL_PROXY names$"):
        asyncio.run(bucket("http://images.test").put(NAME, b"x", "image/png"))


@pytest.mark.parametrize(("name", "value"), [*NOT_THERE[:1], ("HTTPS_PROXY", SOCKS), ("ALL_PROXY", "junk")])
def test_weights_are_not_downloaded_with_an_unusable_proxy_or_certificates(
    environ: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    pytest.importorskip("huggingface_hub", reason="the gpu extra is not installed")
    from easel.engines.zimage import weights as zimage_weights

    environ.setenv(name, value if name != "ALL_PROXY" else "junk://x")
    with pytest.raises(EngineUnusable, match=rf"^{name} "):
        zimage_weights.fetch("a/b", zimage_weights.Hub(cache_folder=tmp_path, url="https://hub.test", revision=None))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1", "0.0.0.0", "::",
             "127.1", "127.0.1", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1."],
)  # fmt: skip
def test_hosts_that_are_this_machine(host: str) -> None:
    assert network_environment.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "::2", "1.127.0.0", "10.1", "1"]
)
def test_hosts_that_are_other_machines(host: str) -> None:
    assert not network_environment.is_loopback(host)


def test_the_own_name_of_the_machine_is_this_machine_if_it_resolves_to_loopback_only() -> None:
    name = socket.gethostname()
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None)}
    except OSError:
        found = set()
    leads_here = bool(found) and all(ip_address(str(address).partition("%")[0]).is_loopback for address in found)
    assert network_environment.is_loopback(name) == leads_here
    assert network_environment.is_loopback(name.upper()) == leads_here
    assert not network_environment.is_loopback(f"{name}.test")
