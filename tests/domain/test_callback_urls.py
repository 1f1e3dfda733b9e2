"""The grammar of callback URLs and the list of public addresses: what is accepted, and what must be refused."""

import ipaddress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.domain.callback import PUBLIC_ONLY, URL_CHARACTERS_MAX, is_public

GOOD: Final = [
    "https://your-domain.com/webhooks/image-task-completed",
    "https://your-domain.com",
    "https://your-domain.com/",
    "https://YOUR-Domain.COM/x",
    "https://hooks.a.b.c.example.com/x?y=1&z=%20",
    "https://your-domain.com?query-without-path",
    "https://your-domain.com/path;with=all/of:this@that!$&'()*+,~[]{}|^`\"<>",
    "https://your-domain.com//double//slashes",
    "https://your-domain.com/%2e%2e/%00",
    "https://your-domain.com/?next=https://127.0.0.1/",
    "https://your-domain.com:443/",
    "https://your-domain.com:8443/",
    "https://your-domain.com:80/",
    "https://your-domain.com:65535/",
    "https://your-domain.com:1/",
    "https://xn--bcher-kva.example.com/",
    "https://xn--e1afmkfd.xn--p1ai/",
    "https://8.8.8.8/",
    "https://8.8.8.8:8443/x",
    "https://[2606:4700:4700::1111]/",
    "https://[2606:4700:4700::1111]:8443/x",
    "https://[::ffff:8.8.8.8]/",
    "https://1and1.com/",
    "https://a.co/",
    "https://9.9.9.9.sslip.io/",
    "https://" + ".".join(["a" * 63] * 3) + ".com/",
    "https://your-domain.com/" + "x" * (URL_CHARACTERS_MAX - len("https://your-domain.com/")),
]

BAD_SHAPES: Final = [
    "", " ", "your-domain.com", "//your-domain.com", "/path", "https:", "https:/", "https://", "https:///path",
    "http://your-domain.com/", "HTTPS://your-domain.com/", "ftp://your-domain.com/", "file:///etc/passwd",
    "javascript:alert(1)", "data:text/plain,x", "gopher://your-domain.com/", "https:your-domain.com",
    "https:\\\\your-domain.com", "https://your-domain.com\\x", "https://your-domain.com\\@127.0.0.1/",
    "https://127.0.0.1\\.your-domain.com/", "https://user@your-domain.com/", "https://user:pass@your-domain.com/",
    "https://@your-domain.com/", "https://:@your-domain.com/", "https://your-domain.com@127.0.0.1/",
    "https://your-domain.com:443@127.0.0.1/", "https://127.0.0.1#@your-domain.com/", "https://your-domain.com/#part",
    "https://your-domain.com#", "https://your-domain.com/?x#y", " https://your-domain.com/", "https://your-domain.com/ ",
    "https://your-domain.com/a b", "https://your-domain.com/\n", "https://your-domain.com\r\nHost: evil", "https://your-domain.com/\t",
    "https://your-domain.com/\0", "https://your-domain.com/\x7f", "https://bücher.com/", "https://your-domain.com/é",
    "https://your\u3002domain\u3002com/", "https://ⓛocalhost.com/", "https://your-domain.com\u2028/", "https://your_domain.com/",
    "https://-your-domain.com/", "https://your-domain-.com/", "https://your..domain.com/", "https://.your-domain.com/",
    "https://your-domain.com./", "https://your-domain/", "https://com/", "https://" + "a" * 64 + ".com/",
    "https://" + ".".join(["a" * 63] * 4) + ".com/", "https://%31%32%37.0.0.1/", "https://your-domain.com%00.evil.com/",
    "https://*.your-domain.com/", "https://your-domain.com,evil.com/", "https://[your-domain.com]/", "https://your-domain.com]/",
    "https://your-domain.com:/", "https://your-domain.com:0/", "https://your-domain.com:65536/", "https://your-domain.com:99999/",
    "https://your-domain.com:123456/", "https://your-domain.com:-1/", "https://your-domain.com:+443/", "https://your-domain.com:4 43/",
    "https://your-domain.com:https/", "https://your-domain.com:443:443/", "https://your-domain.com:0x1bb/", "https://your-domain.com:٤٤٣/",
    "https://your-domain.com/" + "x" * (URL_CHARACTERS_MAX - len("https://your-domain.com/") + 1),
]  # fmt: skip

PORTS_OF_OTHERS: Final = [
    0, 21, 22, 23, 25, 53, 110, 143, 389, 445, 465, 587, 636, 993, 995, 1433, 2049, 2375, 2379, 3306, 3389, 5432, 5672,
    5900, 6379, 6443, 9092, 9200, 10250, 11211, 27017,
]  # fmt: skip

SPECIAL_NAMES: Final = [
    "localhost", "LOCALHOST", "x.localhost", "localhost.localdomain", "printer.local", "metadata.google.internal",
    "host.docker.internal", "kubernetes.default.svc.cluster.local", "server.lan", "nas.home", "intranet.corp", "x.home.arpa",
    "1.0.0.127.in-addr.arpa", "a.test", "a.example", "a.invalid", "a.onion", "a.alt", "a.intranet", "A.LOCAL", "a.Internal",
]  # fmt: skip

NUMBERS: Final = [
    "2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f.1", "127.0.0.01",
    "127.0.0.1.", "127.000.000.001", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.999", "1.2.3.0x4", "a.0x7f", "a.1", "0", "00000000",
    "1.1.1.1a", "١٢٧.0.0.1", "0x7f.0x0.0x0.0x1", "3232235777", "127.0.0.1.5",
]  # fmt: skip

INTERNAL: Final = [
    # The first and last address of each non-public network, and known dangers.
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
    "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002::1", "2620:4f:8000::1", "3fff::1", "3ffe::1", "4000::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ffff::1",
]  # fmt: skip

PUBLIC: Final = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15", "2606:4700:4700::1111", "2001:4860:4860::8888",
    "2a00:1450:4001:81b::200e", "2400:cb00::1", "2003::1", "2620:4f:8001::1", "3ffd::1", "::ffff:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_a_public_https_url_is_accepted(url: str) -> None:
    assert PUBLIC_ONLY.url_fault(url) is None


@pytest.mark.parametrize("url", BAD_SHAPES)
def test_any_other_url_is_refused(url: str) -> None:
    fault = PUBLIC_ONLY.url_fault(url)
    assert fault is not None
    assert fault.startswith(("must ", "names a port"))


@pytest.mark.parametrize("port", PORTS_OF_OTHERS)
def test_ports_of_other_protocols_are_refused_on_every_host(port: int) -> None:
    for host in ("your-domain.com", "8.8.8.8", "[2606:4700:4700::1111]"):
        assert PUBLIC_ONLY.url_fault(f"https://{host}:{port}/") == "names a port that callbacks may not use"


@pytest.mark.parametrize("host", SPECIAL_NAMES + NUMBERS)
def test_internal_names_and_disguised_addresses_are_refused(host: str) -> None:
    for url in (f"https://{host}/", f"https://{host}:8443/x", f"https://{host}"):
        assert PUBLIC_ONLY.url_fault(url) is not None


@pytest.mark.parametrize("address", INTERNAL)
def test_a_non_public_address_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert PUBLIC_ONLY.url_fault(f"https://{host}/") == "must not point to an internal address"


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_accepted(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert PUBLIC_ONLY.url_fault(f"https://{host}/") is None


@pytest.mark.parametrize(
    "host",
    ["[]", "[:]", "[::1", "::1", "[::g]", "[1:2:3]", "[1:2:3:4:5:6:7:8:9]", "[::1%25eth0]", "[::1%eth0]", "[127.0.0.1]", "[v1.x]",
     "[2606:4700:4700::1111", "2606:4700:4700::1111", "[::ffff:8.8.8.256]"],
)  # fmt: skip
def test_brackets_around_anything_but_an_address_are_refused(host: str) -> None:
    assert PUBLIC_ONLY.url_fault(f"https://{host}/") is not None


@pytest.mark.parametrize("value", [None, 5, True, b"https://your-domain.com/", ["https://your-domain.com/"], {}])
def test_a_callback_url_that_is_not_a_string_is_refused(value: object) -> None:
    assert PUBLIC_ONLY.url_fault(value) == "must be a string of at most 2048 characters"


@given(st.text() | st.text().map(lambda text: f"https://{text}") | st.from_regex(r"https://[!-~]*", fullmatch=True))
def test_every_text_is_refused_or_accepted_by_a_strict_parser_too(text: str) -> None:
    if PUBLIC_ONLY.url_fault(text) is not None:
        return
    authority = text.removeprefix("https://").partition("/")[0].partition("?")[0]
    assert text.startswith("https://")
    assert text.isascii()
    assert text.isprintable()
    assert not set(authority) & set("@#\\ %_")


@given(st.ip_addresses())
def test_a_url_with_an_address_is_accepted_only_if_the_address_is_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert (PUBLIC_ONLY.url_fault(f"https://{host}/") is None) == is_public(address)


@given(st.ip_addresses(v=4))
def test_a_mapped_ipv6_address_is_judged_as_its_ipv4_address(address: ipaddress.IPv4Address) -> None:
    assert is_public(ipaddress.IPv6Address(f"::ffff:{address}")) == is_public(address)


@given(st.ip_addresses())
def test_addresses_that_python_calls_private_or_special_are_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not is_public(address):
        return
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    judged = mapped or address  # Python releases differ over mapped addresses
    assert judged.is_global
    assert not judged.is_private
    assert not judged.is_multicast
    assert not judged.is_reserved
