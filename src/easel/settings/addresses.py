"""Checks settings that hold an address, and explains what is wrong with one.

`name` is how the operator wrote the setting: its variable or its option. No error repeats an address, because it may
contain a password. Nothing is resolved or connected.
"""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import parse_qs, urlsplit

from easel.settings.types import SettingsWrong

PORT_MAX: Final = 65_535
LABEL_CHARACTERS_MAX: Final = 63
_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[A-Za-z0-9._-]*)(?::(.*))?")
_POSTGRES_AUTHORITY: Final = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::(.*))?")


def http_url(name: str, url: str, example: str) -> str:
    """The URL with its scheme in lower case; it may have no query and no trailing slash. Raises SettingsWrong."""
    fault = _fault(url) or ("it ends in a slash" if url.endswith("/") else None)
    if fault is not None:
        raise SettingsWrong(f"{name} must look like {example}: {fault}.")
    return _with_lower_scheme(url)


def http_urls(name: str, text: str, example: str, count_max: int) -> tuple[str, ...]:
    """The comma-separated URLs, each as `http_url` returns it, and no two alike. Raises SettingsWrong."""
    urls = [url.strip() for url in text.split(",")]
    if len(urls) > count_max:
        raise SettingsWrong(f"{name} must name at most {count_max} addresses.")
    checked = tuple(http_url(name, url, example) for url in urls)
    if len({url.removesuffix("/v1") for url in checked}) < len(checked):
        raise SettingsWrong(f"{name} must name each address once: separate different ones with commas.")
    return checked


def client_url(name: str, url: str) -> str:
    """The base URL of a service of Easel. A `/`, `/v1` or `/openai/v1` at its end, which other clients need, is
    dropped.

    Raises SettingsWrong.
    """
    base = re.sub(r"(/openai)?(/v1)?$", "", url.rstrip("/")).rstrip("/")
    fault = _fault(base)
    if fault is not None:
        raise SettingsWrong(f"{name} must look like http://127.0.0.1:8000: {fault}.")
    return _with_lower_scheme(base)


def postgres_url(name: str, url: str) -> None:
    """Check a PostgreSQL URL. Raises SettingsWrong."""
    try:
        parts = urlsplit(url)
        ports = list(_postgres_ports(parts.netloc, parts.query))
    except ValueError:
        parts, ports = urlsplit(""), []
    if parts.scheme not in {"postgresql", "postgres"}:
        raise SettingsWrong(f"{name} must look like postgresql://user:password@host:5432/database.")
    if not all(_is_port(port) for port in ports):
        raise SettingsWrong(
            f"{name} must look like postgresql://user:password@host:5432/database: its port is not a number from 1 to "
            f"{PORT_MAX}. In a password, write %, @, / and : as %25, %40, %2F and %3A."
        )


def listening_host(name: str, host: str) -> None:
    """Check what the web process listens on: an IPv4 or IPv6 address, or a host name. Raises SettingsWrong."""
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_name = re.fullmatch(r"[A-Za-z0-9._-]{1,253}", host) is not None and all(
        len(label) <= LABEL_CHARACTERS_MAX for label in host.split(".")
    )
    if not is_name and not _is_ipv6(inner):
        raise SettingsWrong(
            f"{name} must be a host name or an address, such as 127.0.0.1 or ::, without a scheme or port."
        )


def _fault(url: str) -> str | None:
    """What is wrong with a URL, worded to follow a colon; None if nothing is."""
    if not _SCHEME.match(url):
        return "it does not begin with http:// or https://"
    if not re.fullmatch(r"[!-~]*", url):
        return "it contains a space or another character that is not printable ASCII"
    authority = re.split(r"[/?#]", _SCHEME.sub("", url, count=1), maxsplit=1)[0]
    if "@" in authority:
        return "it contains a user name or a password"
    for sign, what in (("#", "fragment"), ("?", "query")):
        if sign in url:
            return f"it has a {what} ({sign})"
    return _authority_fault(authority)


def _authority_fault(authority: str) -> str | None:
    found = _AUTHORITY.fullmatch(authority)
    if found is None or (found[1].startswith("[") and not _is_ipv6(found[1][1:-1])):
        return "its host is not a valid name or address"
    if not found[1]:
        return "it has no host"
    if found[2] is not None and not _is_port(found[2]):
        return f"its port is not a number from 1 to {PORT_MAX}"
    return None


def _postgres_ports(authority: str, query: str) -> Iterator[str]:
    """The explicit ports of one host, or of several comma-separated ones."""
    for host in authority.rpartition("@")[2].split(","):
        found = _POSTGRES_AUTHORITY.fullmatch(host)
        port = host if found is None else found[1]
        if port:
            yield port
    for ports in parse_qs(query).get("port", []):
        yield from (port for port in ports.split(",") if port)


def _with_lower_scheme(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    return f"{scheme.lower()}{colon}{rest}"


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 1 <= int(text) <= PORT_MAX


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
