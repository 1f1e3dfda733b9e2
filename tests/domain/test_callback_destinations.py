"""The destinations that an operator may allow and deny, and that all parsers agree on the host of an accepted URL."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from easel.domain.callback import PUBLIC_ONLY, Destinations, allowed_host, receiver

ALLOWED: Final = {
    "hooks.corp.internal:8443": ("hooks.corp.internal", 8443),
    "Hooks.Corp.Internal": ("hooks.corp.internal", 443),
    "10.0.0.5": ("10.0.0.5", 443),
    "127.0.0.1:22": ("127.0.0.1", 22),
    "100.64.0.1": ("100.64.0.1", 443),
    "[FD00:0::5]:9000": ("fd00::5", 9000),
    "[::1]": ("::1", 443),
    "localhost:8080": ("localhost", 8080),
    "receiver": ("receiver", 443),
    "8.8.8.8": ("8.8.8.8", 443),
}  # fmt: skip
NEVER_ALLOWED: Final = [
    "", " ", "*", "*.corp.internal", "hooks.*", "https://hooks.corp.internal", "hooks.corp.internal/x", "a b", "a_b",
    "hooks.corp.internal:", "hooks.corp.internal:0", "hooks.corp.internal:65536", "hooks.corp.internal:x", "user@host",
    "10.0.0.0/8", "hooks.corp.internal.", ".", "-a", "a..b", "2130706433", "0x7f.1", "127.1", "fd00::5", "[10.0.0.5]", "[::g]",
    "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "168.63.129.16", "100.100.100.200", "0.0.0.0", "[::]", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "[ff02::1]", "[::ffff:169.254.169.254]", "[::ffff:0.0.0.0]", "[fe80::1%eth0]", "a" * 64, "bücher.de",
]  # fmt: skip
ONE_INTERNAL: Final = Destinations(frozenset({("hooks.corp.internal", 8443), ("10.0.0.5", 443)}), ())


@pytest.mark.parametrize(("text", "host_and_port"), ALLOWED.items())
def test_operators_can_allow_single_hosts(text: str, host_and_port: tuple[str, int]) -> None:
    assert allowed_host(text) == host_and_port
    destinations = Destinations(frozenset({host_and_port}), ())
    host, port = host_and_port
    authority = f"[{host}]" if ":" in host else host
    assert destinations.url_fault(f"https://{authority}:{port}/x") is None
    assert destinations.url_fault(f"https://{authority}:{port % 65535 + 1}/x") != destinations.url_fault("https://")


@pytest.mark.parametrize("text", NEVER_ALLOWED)
def test_only_single_hosts_that_can_be_safe_may_be_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"^'.*' "):
        allowed_host(text)


def test_an_allowed_host_is_allowed_on_its_port_only() -> None:
    good = [
        "https://hooks.corp.internal:8443/",
        "https://HOOKS.corp.internal:8443/x",
        "https://10.0.0.5/",
        "https://a.com/",
    ]
    bad = ["https://hooks.corp.internal/", "https://x.hooks.corp.internal:8443/", "https://10.0.0.5:8443/",
           "https://10.0.0.6/", "https://[::ffff:10.0.0.5]/", "http://10.0.0.5/", "https://hooks.corp.internal:08443/"]  # fmt: skip
    assert [ONE_INTERNAL.url_fault(url) for url in good] == [None] * 4
    assert [url for url in bad if ONE_INTERNAL.url_fault(url) is None] == []


DIALLED: Final = [
    "10.0.0.5",
    "172.16.0.1",
    "192.168.9.9",
    "127.0.0.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
    "::ffff:10.0.0.5",
    "8.8.8.8",
]
NEVER_DIALLED: Final = [
    "169.254.169.254", "169.254.0.1", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fe80::1",
    "fec0::1", "0.0.0.0", "0.0.0.1", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "64:ff9b::10.0.0.5", "2002:a00:5::",
    "::10.0.0.5", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "192.0.2.1", "198.18.0.1", "2001:db8::1",
]  # fmt: skip


def test_an_allowed_host_may_be_internal_but_not_a_metadata_service() -> None:
    def may_dial(address: str, port: int = 8443) -> bool:
        return ONE_INTERNAL.may_dial("hooks.corp.internal", port, ipaddress.ip_address(address))

    assert [address for address in DIALLED if not may_dial(address)] == []
    assert [address for address in NEVER_DIALLED if may_dial(address)] == []
    assert [address for address in DIALLED if may_dial(address, port=443)] == ["8.8.8.8"]


def test_a_denied_network_is_denied_even_to_allowed_hosts() -> None:
    denied = tuple(map(ipaddress.ip_network, ("8.8.8.0/24", "10.0.0.0/8", "2606:4700::/32")))
    destinations = Destinations(ONE_INTERNAL.allowed, denied)
    for address in ("8.8.8.8", "::ffff:8.8.8.8", "2606:4700:4700::1111", "10.0.0.5"):
        assert not destinations.may_dial("hooks.corp.internal", 8443, ipaddress.ip_address(address))
    assert destinations.may_dial("a.com", 443, ipaddress.ip_address("8.8.4.4"))
    assert destinations.url_fault("https://8.8.8.8/") == "must not point to an internal address"
    assert destinations.url_fault("https://10.0.0.5/") == "must not point to an internal address"


@pytest.mark.parametrize(
    ("rest", "target"),
    [("", "/"), ("/", "/"), ("?a", "/?a"), ("/a?b=/c", "/a?b=/c"), ("//a//", "//a//"), ("/@b.com:1/", "/@b.com:1/")],
)
def test_the_request_target_begins_with_a_slash(rest: str, target: str) -> None:
    to = receiver(f"https://A.com:8443{rest}")
    assert (to.host, to.port, to.authority, to.target) == ("a.com", 8443, "A.com:8443", target)


HOSTS = st.one_of(
    st.from_regex(r"[a-zA-Z0-9]{1,8}([.-][a-zA-Z0-9]{1,8}){1,4}\.[a-zA-Z]{2,3}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9.-]{1,30}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=4, network="8.0.0.0/8").map(lambda address: f"[::ffff:{address}]"),
    st.ip_addresses(v=4).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6, network="2a00::/12").map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6, network="2600::/12").map(lambda address: f"[{address.exploded.upper()}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
PORTS = st.one_of(
    st.just(""), st.integers(0, 99999).map(lambda port: f":{port}"), st.from_regex(r":0?[0-9]{0,5}", fullmatch=True)
)
RESTS = st.from_regex(r"([/?][!-~]{0,20})?", fullmatch=True) | st.from_regex(r"[@#\\;:&%][!-~]{0,20}", fullmatch=True)


@settings(max_examples=1000)
@given(st.builds("https://{}{}{}".format, HOSTS, PORTS, RESTS) | st.from_regex(r"https://[!-~]{1,40}", fullmatch=True))
@example("https://[8.8.8.8]/")
@example("https://a.com:0443/")
@example("https://a.com?x@b.com/")
@example("https://xn--bcher-kva.com/")
@example("https://xn--0.com/")
@example("https://[::ffff:8.8.8.8]:8443/[x]@[y]")
def test_all_url_parsers_agree_on_the_host_of_an_accepted_url(url: str) -> None:
    if PUBLIC_ONLY.url_fault(url) is not None:
        return
    to = receiver(url)
    split, other = urlsplit(url), httpx2.URL(url)
    assert _same_host(split.hostname or "") == _same_host(other.raw_host.decode()) == _same_host(to.host)
    assert (split.port or 443) == (other.port or 443) == to.port
    assert split.username is split.password is None
    assert not other.userinfo
    assert split.netloc == to.authority
    assert to.target == (split.path or "/") + ("?" + split.query if "?" in url else "")


def _same_host(host: str) -> object:
    return ipaddress.ip_address(host.strip("[]")) if ":" in host else host
