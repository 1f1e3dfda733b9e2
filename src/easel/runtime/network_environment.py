"""The proxies and certificates in the environment, read as other programs read them.

`HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, in upper or lower case, name a proxy. `NO_PROXY` names hosts that need
none. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's certificates. Connections to this machine never use a
proxy.
"""

import os
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from easel.domain.callback import Network
from easel.domain.errors import Unusable

_PROXY_SCHEMES: Final = ("http", "https")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class NetworkUnusable(Unusable):
    """A variable names a proxy or certificates that cannot be used. The message names the variable."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, a loopback address in any notation, or the machine's own name if it
    resolves to loopback addresses only."""
    name = host.strip("[]").rstrip(".").lower()
    address = _address(name)
    if address is not None:
        return _is_own(address)
    return name == "localhost" or name.endswith(".localhost") or _is_own_name(name)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    """The address that a text denotes for the system's resolver, which accepts `127.1`, `0` and `0x7f000001` too."""
    try:
        return ip_address(name)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(name))
    except (OSError, UnicodeError):
        return None


def _is_own(address: IPv4Address | IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _is_own_name(name: str) -> bool:
    """Whether this is the machine's own name and resolves to loopback addresses only. No other name is resolved."""
    if name != socket.gethostname().rstrip(".").lower():
        return False
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return False
    return all(_is_own(ip_address(str(address).partition("%")[0])) for address in found)


def check_certificates() -> None:
    """Raise NetworkUnusable if the environment names certificates that cannot be read."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file:
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:  # ssl.SSLError is one
            reason = "no PEM certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
            raise NetworkUnusable(
                f"SSL_CERT_FILE names {file}, which cannot be used ({reason}): correct it, or unset it."
            ) from None
    elif folder and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise NetworkUnusable(f"SSL_CERT_DIR names {folder}, which is not a folder: correct it, or unset it.")


def proxy_for(url: str) -> str | None:
    """The proxy for a URL, or None. Raises NetworkUnusable."""
    kind = _proxy_kind(url)
    if kind is None:
        return None
    proxy = _proxies()[kind]
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_usable_proxy(proxy):
        raise NetworkUnusable(
            f"{_variable(kind)} does not name an http:// or https:// proxy, the only kinds that Easel supports: correct it, "
            f"unset it, or add {urlsplit(url).hostname} to NO_PROXY."
        )
    return proxy


def proxy_variable_for(url: str) -> str | None:
    """The variable that names the proxy for a URL, or None."""
    kind = _proxy_kind(url)
    return None if kind is None else _variable(kind)


def _proxy_kind(url: str) -> str | None:
    """The kind of proxy that a URL uses: that of its scheme, or `all`. None if it uses none."""
    parts = urlsplit(url)
    host, proxies = parts.hostname or "", _proxies()
    kind = parts.scheme if parts.scheme in proxies else "all"
    if kind not in proxies or is_loopback(host) or _is_spared(host, parts.port or _DEFAULT_PORTS.get(parts.scheme)):
        return None
    return kind


def proxy_variables() -> list[str]:
    """The variables that name a proxy, for messages about failed connections."""
    return [_variable(kind) for kind in ("http", "https", "all") if _is_set(_variable(kind))]


def certificates_variable() -> str | None:
    """The variable that replaces the system's certificates, or None."""
    return next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)


def _proxies() -> dict[str, str]:
    """The proxies in the environment, by the part of the variable's name before `_proxy`."""
    return {kind: value.strip() for kind, value in getproxies().items() if value.strip()}


def _variable(kind: str) -> str:
    lower = f"{kind}_proxy"
    return lower if _is_set(lower) else lower.upper()


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())


def _is_usable_proxy(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_spared(host: str, port: int | None) -> bool:
    if proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _spared_networks())


def _spared_networks() -> list[Network]:
    networks: list[Network] = []
    for text in _proxies().get("no", "").split(","):
        try:
            networks.append(ip_network(text.strip().strip("[]"), strict=False))
        except ValueError:
            continue
    return networks
