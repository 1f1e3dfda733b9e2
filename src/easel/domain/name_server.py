"""Parses the address of a DNS server as an operator writes it."""

import ipaddress
import re
from typing import Final

PORT: Final = 53
_ADDRESS_AND_PORT = re.compile(r"([0-9.]+|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?|([0-9a-fA-F:]+)")


def name_server(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """The address and port in `ip`, `ip:port` or `[ipv6]:port`. Raises ValueError with a message for the operator."""
    match = _ADDRESS_AND_PORT.fullmatch(text)
    port = int(match[2] or PORT) if match is not None else 0
    try:
        address = ipaddress.ip_address((match[1] or match[3]).strip("[]")) if match is not None else None
    except ValueError:
        address = None
    if address is None or not 1 <= port <= 65535:
        raise ValueError(f"{text!r} must be an IP address, with or without a port, such as 9.9.9.9 or 127.0.0.1:5353")
    return address, port
