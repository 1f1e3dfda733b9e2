"""Who a client is, for the limits on those who show no key."""

from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.requests import Request

_IPV6_SITE_BITS: Final = 64


def site(request: Request) -> str:
    """Who a client is, as far as its address tells: all of IPv4, and of IPv6 the part that one customer has.

    Whoever has no address, since a proxy hides it or a client makes one up, is one and the same.
    """
    try:
        address = ip_address(request.client.host if request.client is not None else "")
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> _IPV6_SITE_BITS << _IPV6_SITE_BITS))
