"""Where callbacks may go: the grammar of their URLs, and the addresses that may be dialled.

A URL is checked by its text alone: scheme, host and port. No name is resolved here, so a name that leads to an internal
address passes. Its addresses are checked when they are dialled. An operator may allow single internal hosts, but no
wildcards.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARACTERS_MAX: Final = 2048
HTTPS_PORT: Final = 443
_AUTHORITY = r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(0|[1-9][0-9]{0,4}))?"
_HOST_AND_PORT = re.compile(_AUTHORITY)
_HTTPS_URL = re.compile(rf"https://({_AUTHORITY})([/?][!-~]*)?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DOTTED_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_SPECIAL_TLDS: Final = frozenset({"localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa",
                                  "test", "example", "invalid", "onion", "alt", "localdomain"})  # fmt: skip
_PORTS_OF_OTHER_PROTOCOLS: Final = frozenset({
    21, 22, 23, 25, 53, 110, 111, 119, 135, 139, 143, 389, 445, 465, 514, 587, 636, 873, 993, 995, 1433, 1521, 2049,
    2181, 2375, 2376, 2379, 3306, 3389, 5432, 5672, 5900, 5984, 6379, 6443, 6667, 9092, 9200, 9300, 10250, 11211, 27017,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Receiver:
    """The parts of a URL that say what to dial and what to request.

    `host` is in lower case, and an IPv6 address is in its short form without brackets. `authority` is the host and port
    as they were written, for the Host field. `target` begins with a slash.
    """

    host: str
    port: int
    authority: str
    target: str

    @property
    def address(self) -> Address | None:
        """The host as an address. None if it is a name."""
        return _literal(self.host)


def receiver(url: str) -> Receiver:
    """The parts of a URL. Raises ValueError if it is not an https:// URL."""
    match = _HTTPS_URL.fullmatch(url)
    if match is None or "#" in url or "\\" in url:
        raise ValueError("must be an https:// URL in printable ASCII, without user name, password or fragment")
    authority, host, port, rest = match.groups()
    rest = rest or "/"
    target = rest if rest.startswith("/") else f"/{rest}"
    return Receiver(_plain(host), int(port or HTTPS_PORT), authority, target)


def allowed_host(text: str) -> tuple[str, int]:
    """Parse an operator's `host` or `host:port`. Raises ValueError with a message for the operator."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} must be one host, or host:port, without scheme, path or wildcard")
    try:
        host, port = _plain(match[1]), int(match[2] or HTTPS_PORT)
    except ValueError as fault:
        raise ValueError(f"{text!r} {fault}") from None
    if not _is_port(port):
        raise ValueError(f"{text!r} must have a port from 1 to 65535")
    address = _literal(host)
    if address is None and not _is_name(host):
        raise ValueError(f"{text!r} does not contain a valid host name")
    if address is not None and not (is_public(address) or _is_internal(address)):
        raise ValueError(f"{text!r} is an address that callbacks may not go to, such as a cloud's metadata service")
    return host, port


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where callbacks may go: to the public internet, and to the hosts in `allowed` even if they are internal. Networks
    in `denied` are excluded from both. `allowed_host` parses the entries of `allowed`."""

    allowed: frozenset[tuple[str, int]]
    denied: tuple[Network, ...]

    def url_fault(self, url: object) -> str | None:
        """What is wrong with a callback URL, worded to follow the field's name. None if the URL is valid."""
        if not isinstance(url, str) or not 1 <= len(url) <= URL_CHARACTERS_MAX:
            return f"must be a string of at most {URL_CHARACTERS_MAX} characters"
        try:
            to = receiver(url)
        except ValueError as fault:
            return str(fault)
        if to.address is not None and not self.may_dial(to.host, to.port, to.address):
            return "must not point to an internal address"
        if self.allows(to):
            return None
        if not _is_port(to.port) or to.port in _PORTS_OF_OTHER_PROTOCOLS:
            return "names a port that callbacks may not use"
        if to.address is None and not _is_public_name(to.host):
            return "must name a public host, such as hooks.your-domain.com"
        return None

    def allows(self, to: Receiver) -> bool:
        """Whether the operator allowed this host and port."""
        return (to.host, to.port) in self.allowed

    def may_dial(self, host: str, port: int, address: Address) -> bool:
        """Whether callbacks may connect to this address, which the host resolved to."""
        judged = _unmapped(address)
        if any(judged in network for network in self.denied):
            return False
        return is_public(judged) or ((host, port) in self.allowed and _is_internal(judged))


PUBLIC_ONLY: Final = Destinations(frozenset(), ())


def _plain(host: str) -> str:
    """The host, normalized for comparisons. Raises ValueError if brackets contain anything but an IPv6 address."""
    if not host.startswith("["):
        return host.lower()
    try:
        return str(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        raise ValueError("holds no valid IP address") from None


def _literal(host: str) -> Address | None:
    if ":" in host:
        return ipaddress.IPv6Address(host)
    if _DOTTED_QUAD.fullmatch(host) is None or any(int(part) > 255 for part in host.split(".")):
        return None
    return ipaddress.IPv4Address(host)


def _is_port(port: int) -> bool:
    return 1 <= port <= 65535


def _is_name(host: str) -> bool:
    """Whether a host consists of labels of letters, digits and hyphens, and cannot be read as a disguised number."""
    labels = host.split(".")
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1][0].isdigit()


def _is_public_name(host: str) -> bool:
    labels = host.split(".")
    return _is_name(host) and len(labels) >= 2 and labels[-1] not in _SPECIAL_TLDS


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


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet.

    These lists exist because `ipaddress.is_global` counts multicast, NAT64 of 127.0.0.1, site-local addresses and a
    cloud's host address as global, and differs between Python releases. Sources: the IANA special-purpose registries.
    """
    address = _unmapped(address)
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _IPV4_NOT_PUBLIC)
    return address in _IPV6_PUBLIC and not any(address in network for network in _IPV6_NOT_PUBLIC)


_INTERNAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7",
    )
)  # fmt: skip
_INTERNAL_METADATA: Final = tuple(
    ipaddress.ip_network(network) for network in ("100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::/32")
)
"""Addresses where Alibaba, AWS and Google serve credentials. Those of other clouds lie outside the internal
networks."""


def _is_internal(address: Address) -> bool:
    """Whether an operator may allow an address: private, shared, unique local or loopback, but no cloud's metadata."""
    judged = _unmapped(address)
    is_inside = any(judged in network for network in _INTERNAL)
    return is_inside and not any(judged in network for network in _INTERNAL_METADATA)


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
