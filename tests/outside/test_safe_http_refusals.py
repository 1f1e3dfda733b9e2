"""Where posts never go: over 500 ways to write or resolve a non-public address. A listener on every loopback address
must not notice any of them, and public URLs must still work."""

import asyncio
import ipaddress
import itertools
import socket
from collections.abc import Iterator
from typing import Final

import pytest
import uvloop

from easel.domain.callback import PUBLIC_ONLY, Destinations, receiver
from easel.domain.delivery import Attempted, AttemptOutcome
from easel.outside.safe_http.client import SafeHttp
from tests.support.name_server import SILENCE, NameServer, name_server

V4: Final = [
    "0.0.0.0", "0.0.0.1", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.0.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "168.63.129.16",
]  # fmt: skip
V6: Final = [
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:224.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1",
    "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2620:4f:8000::1", "3fff::1", "3ffe::1",
    "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fec0::1", "ff02::1", "ffff::1",
]  # fmt: skip
PUBLIC_V4: Final = "8.8.8.8"
PUBLIC_V6: Final = "2606:4700:4700::1111"


def _spellings(text: str) -> list[str]:
    """Hosts that some programs read as an IPv4 address."""
    address = ipaddress.IPv4Address(text)
    number = int(address)
    a, b, c, d = address.packed
    high, low = divmod(number, 65536)
    return [
        text, f"{text}.", f"{number}", f"0x{number:08x}", f"0{number:o}", f"{a}.{number % 2**24}", f"{a}.{b}.{low}", f"{a}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.{b}.{c}.0x{d:x}",
        f"[{text}]", f"[::{text}]", f"[::ffff:{text}]", f"[::ffff:{high:x}:{low:x}]", f"[::ffff:0:{text}]", f"[64:ff9b::{text}]",
        f"[64:ff9b:1::{text}]", f"[2002:{high:x}:{low:x}::]", f"[0:0:0:0:0:FFFF:{high:04X}:{low:04X}]", f"{text}%00.com",
        text.replace(".", "\u3002"), text.replace("1", "\u2460"), "".join(f"%{ord(letter):x}" for letter in text),
    ]  # fmt: skip


SHAPES: Final = [
    "http://{}/", "HTTPS://{}/", "https:{}", "https:/{}", "https:///{}", "//{}", "{}", "ftp://{}/", "file://{}/etc/passwd", "gopher://{}/",
    "https://a.com@{}/", "https://a.com:443@{}/", "https://{}@a.com/", "https://a.com\\@{}/", "https://{}\\.a.com/", "https://{}#.a.com/",
    "https://{}/#", "https://{}\t/", "https://{}\r\nhost: a.com/", "https://{}\n.a.com", " https://{}/", "https://{} /",
    "https://\u2028{}/", "https://{}/\u00e9", "https://{}/\x00", "https://{}:/", "https://[{}]/",
]  # fmt: skip
NAMES: Final = [
    "localhost", "LOCALHOST", "a.localhost", "localhost.localdomain", "metadata.google.internal", "host.docker.internal", "a.local",
    "a.lan", "a.home", "a.corp", "a.home.arpa", "1.0.0.127.in-addr.arpa", "a.test", "a.example", "a.invalid", "a.onion", "a.alt",
    "intranet", "localhost.", "a_b.com", "a..com", "*.com", "\u24dbocalhost",
]  # fmt: skip

URLS: Final = [
    *(f"https://{host}:{{port}}/" for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1") for host in _spellings(address)),
    *(f"https://{address}:{{port}}/" for address in V4),
    *(f"https://[{address}]:{{port}}/" for address in V6),
    *(f"https://[{ipaddress.ip_address(address).exploded.upper()}]/" for address in V6),
    *(f"https://{name}:{{port}}/" for name in NAMES),
    *(shape.format("127.0.0.1:{port}") for shape in SHAPES),
    *(f"https://{PUBLIC_V4}:{port}/" for port in (0, 22, 25, 465, 587, 3306, 5432, 6379, 11211, 65536)),
]  # fmt: skip

ANSWERS: Final = [
    *([address] for address in V4 + V6),
    *([f"::ffff:{address}"] for address in V4),
    *([PUBLIC_V4, address] for address in V4 + V6),
    *([address, PUBLIC_V6] for address in V4 + V6),
    *(["CNAME inside.receiver.net", address] for address in V4 + V6),
    *([PUBLIC_V4, PUBLIC_V6, "1.1.1.1", address] for address in V4 + V6),
]  # fmt: skip

GOOD_URLS: Final = [
    "https://receiver.com/webhooks/image-task-completed", "https://receiver.com", "https://receiver.com?x=1", "https://RECEIVER.com/",
    "https://receiver.com:8443/x", "https://receiver.com:80/", "https://receiver.com:65535/", "https://a.b.c.receiver.com/x?y=1&z=%20",
    "https://receiver.com/path;with=all/of:this@that!$&'()*+,~[]{}|^`\"<>", "https://receiver.com//double//slashes",
    "https://receiver.com/?next=https://127.0.0.1/", "https://receiver.com/127.0.0.1", "https://127.0.0.1.receiver.com/",
    "https://localhost.receiver.com/", "https://xn--bcher-kva.receiver.com/", "https://xn--e1afmkfd.xn--p1ai/", "https://1and1.com/",
    "https://9.9.9.9.sslip.io/", "https://a.co/", "https://internal.com/", "https://10.com/",
]  # fmt: skip
GOOD_LITERALS: Final = {
    "https://8.8.8.8/": "8.8.8.8", "https://1.1.1.1:8443/x": "1.1.1.1", "https://172.32.0.1/": "172.32.0.1",
    "https://[2606:4700:4700::1111]/": PUBLIC_V6, "https://[2A00:1450::1]:8443/": "2a00:1450::1", "https://[::ffff:8.8.8.8]/": "::ffff:8.8.8.8",
}  # fmt: skip


class Ear:
    """Listens on all addresses of this machine and counts connections."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]

    def has_heard(self) -> bool:
        """Whether there was a connection since the previous call."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True

    def close(self) -> None:
        self._listener.close()


class Poster:
    """A SafeHttp that may reach only the public internet, with the tests' own name server."""

    def __init__(self, runner: asyncio.Runner, names: NameServer, ear: Ear) -> None:
        self.names, self.ear, self._runner = names, ear, runner
        self._http = SafeHttp(PUBLIC_ONLY, nameservers=[names.address])

    def post(self, url: str) -> Attempted:
        return self._runner.run(self._http.post(url, b"{}", {}))

    def would_dial(self, url: str) -> list[str]:
        return sorted(map(str, self._runner.run(self._http.judged_addresses(receiver(url)))))

    def close(self) -> None:
        self._runner.run(self._http.close())


@pytest.fixture(scope="module")
def poster() -> Iterator[Poster]:
    ear = Ear()
    with name_server() as names, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        poster = Poster(runner, names, ear)
        yield poster
        assert not ear.has_heard()
        poster.close()
    ear.close()


_numbers = itertools.count(1)


def test_there_are_as_many_vectors_as_documented() -> None:
    assert len(URLS) + len(ANSWERS) >= 500
    assert len(GOOD_URLS) + len(GOOD_LITERALS) >= 25


def test_the_listener_notices_connections(poster: Poster) -> None:
    for address in ("127.0.0.1", "::1"):
        with socket.create_connection((address, poster.ear.port)):
            assert poster.ear.has_heard()


@pytest.mark.parametrize("url", URLS)
def test_a_url_with_a_non_public_address_is_refused(poster: Poster, url: str) -> None:
    asked = len(poster.names.asked)
    attempted = poster.post(url.replace("{port}", str(poster.ear.port)))
    assert (attempted.outcome, attempted.status_code) == (AttemptOutcome.REFUSED, None)
    assert len(poster.names.asked) == asked
    assert not poster.ear.has_heard()


@pytest.mark.parametrize("records", ANSWERS, ids=" ".join)
def test_a_name_with_one_non_public_address_is_refused(poster: Poster, records: list[str]) -> None:
    name = f"n{next(_numbers)}.receiver.com"
    poster.names.zone[name] = records
    attempted = poster.post(f"https://{name}:{poster.ear.port}/")
    assert (attempted.outcome, attempted.status_code) == (AttemptOutcome.REFUSED, None)
    assert poster.names.asked[-2:] == [name, name]
    assert not poster.ear.has_heard()


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_public_url_is_tried_at_all_its_addresses(poster: Poster, url: str) -> None:
    assert PUBLIC_ONLY.url_fault(url) is None
    poster.names.zone[receiver(url).host] = [PUBLIC_V4, PUBLIC_V6, "1.1.1.1"]
    assert poster.would_dial(url) == ["1.1.1.1", PUBLIC_V6, PUBLIC_V4]


@pytest.mark.parametrize(("url", "address"), GOOD_LITERALS.items())
def test_a_public_address_is_dialled_without_a_lookup(poster: Poster, url: str, address: str) -> None:
    asked = len(poster.names.asked)
    assert PUBLIC_ONLY.url_fault(url) is None
    assert poster.would_dial(url) == [str(ipaddress.ip_address(address))]
    assert len(poster.names.asked) == asked


def test_each_attempt_checks_the_name_again(poster: Poster) -> None:
    url = f"https://flips.receiver.com:{poster.ear.port}/"
    for _ in range(5):
        poster.names.zone["flips.receiver.com"] = [PUBLIC_V4]
        assert poster.would_dial(url) == [PUBLIC_V4]
        poster.names.zone["flips.receiver.com"] = ["127.0.0.1"]
        assert poster.post(url).outcome is AttemptOutcome.REFUSED
    assert not poster.ear.has_heard()


def test_search_domains_apply_only_to_allowed_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALDOMAIN", "corp.net")

    async def both(names: NameServer) -> tuple[Attempted, list[str]]:
        http = SafeHttp(Destinations(frozenset({("hooks", 8443)}), ()), nameservers=[names.address])
        try:
            attempted = await http.post("https://hooks.receiver.com/", b"{}", {})
            return attempted, list(map(str, await http.judged_addresses(receiver("https://hooks:8443/"))))
        finally:
            await http.close()

    with name_server() as names:
        names.zone["hooks.corp.net"] = names.zone["hooks.receiver.com.corp.net"] = ["10.0.0.5"]
        attempted, addresses = asyncio.run(both(names))
    assert attempted.outcome is AttemptOutcome.DNS_FAILED
    assert addresses == ["10.0.0.5"]
    assert "hooks.receiver.com.corp.net" not in names.asked


def test_slow_lookups_do_not_delay_others() -> None:
    async def among_slow_names(names: NameServer) -> tuple[float, list[Attempted]]:
        http = SafeHttp(PUBLIC_ONLY, nameservers=[names.address])
        slow = [asyncio.ensure_future(http.post(f"https://slow{n}.receiver.com/", b"{}", {}, 1.0)) for n in range(50)]
        await asyncio.sleep(0.2)
        began_s = asyncio.get_running_loop().time()
        await http.judged_addresses(receiver("https://quick.receiver.com/"))
        took_s = asyncio.get_running_loop().time() - began_s
        attempts = await asyncio.gather(*slow)
        await http.close()
        return took_s, attempts

    with name_server() as names:
        names.zone["quick.receiver.com"] = [PUBLIC_V4]
        names.zone.update({f"slow{n}.receiver.com": [SILENCE] for n in range(50)})
        took_s, attempts = asyncio.run(among_slow_names(names))
    assert took_s < 0.3
    assert {attempted.outcome for attempted in attempts} == {AttemptOutcome.TIMED_OUT}
    assert max(attempted.duration_ms for attempted in attempts) <= 1200


def test_a_name_with_too_many_addresses_is_unknown(poster: Poster) -> None:
    poster.names.zone["many.receiver.com"] = [f"8.8.8.{n}" for n in range(100)]
    assert poster.post(f"https://many.receiver.com:{poster.ear.port}/").outcome is AttemptOutcome.DNS_FAILED


@pytest.mark.parametrize("text", ["", "name", "1.1.1.1:x", "1.1.1.1.1", "[::1", "1.1.1.1:123456", "::g", "999.1.1.1"])
def test_an_invalid_name_server_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be an IP address|does not appear to be"):
        SafeHttp(PUBLIC_ONLY, nameservers=[text])
