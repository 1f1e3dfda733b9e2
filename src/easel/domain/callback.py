"""The grammar of callback URLs.

`url_fault` judges the text alone: scheme, host and port. It resolves no name, so a name that leads to an internal
address passes here; that is judged at the moment of dialling.
"""

import ipaddress
import re
from typing import Final

URL_CHARACTERS_MAX: Final = 2048
_AUTHORITY_AND_REST = re.compile(r"https://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?([/?][!-~]*)?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DOTTED_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_SPECIAL_TLDS: Final = frozenset({"localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa",
                                  "test", "example", "invalid", "onion", "alt", "localdomain"})  # fmt: skip
_PORTS_OF_OTHER_PROTOCOLS: Final = frozenset({
    21, 22, 23, 25, 53, 110, 111, 119, 135, 139, 143, 389, 445, 465, 514, 587, 636, 873, 993, 995, 1433, 1521, 2049,
    2181, 2375, 2376, 2379, 3306, 3389, 5432, 5672, 5900, 5984, 6379, 6443, 6667, 9092, 9200, 9300, 10250, 11211, 27017,
})  # fmt: skip


def url_fault(url: object) -> str | None:
    """What is wrong with a callback URL, as the end of a sentence that begins with its name; None if nothing is."""
    if not isinstance(url, str) or not 1 <= len(url) <= URL_CHARACTERS_MAX:
        return f"must be a string of at most {URL_CHARACTERS_MAX} characters"
    match = _AUTHORITY_AND_REST.fullmatch(url)
    if match is None or "#" in url or "\\" in url:
        return "must be an https:// URL in printable ASCII, without user name, password or fragment"
    host, port, _ = match.groups()
    if port is not None and not _is_open_port(int(port)):
        return "names a port that callbacks may not use"
    return _host_fault(host)


def _is_open_port(port: int) -> bool:
    return 1 <= port <= 65535 and port not in _PORTS_OF_OTHER_PROTOCOLS


def _host_fault(host: str) -> str | None:
    if host.startswith("["):
        return _address_fault(host[1:-1])
    if _DOTTED_QUAD.fullmatch(host):
        return _address_fault(host)
    labels = host.split(".")
    is_name = len(host) <= 253 and len(labels) >= 2 and all(_LABEL.fullmatch(label) for label in labels)
    last = labels[-1].lower()
    if not is_name or last in _SPECIAL_TLDS or last[0].isdigit():
        return "must name a public host, such as hooks.your-domain.com"
    return None


def _address_fault(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "holds no valid IP address"
    return None if is_public(address) else "must not point to an internal address"


_IPV4_NOT_PUBLIC: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "168.63.129.16/32",
    )
)  # fmt: skip
_IPV6_PUBLIC: Final = ipaddress.IPv6Network("2000::/3")
_IPV6_NOT_PUBLIC: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "3ffe::/16", "2620:4f:8000::/48",
    )
)  # fmt: skip


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address belongs to the public internet.

    The lists stand here because `ipaddress.is_global` calls multicast, NAT64 of 127.0.0.1, site-local addresses and
    a cloud's host address global, and differs between Python releases. Sources: the IANA special-purpose registries.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _IPV4_NOT_PUBLIC)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    return address in _IPV6_PUBLIC and not any(address in network for network in _IPV6_NOT_PUBLIC)
