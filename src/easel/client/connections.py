"""Makes HTTP clients with the proxy and the certificates of the environment."""

import ssl
from typing import Any, Final

import httpx2

from easel.client.failures import ClientError
from easel.runtime import network_environment
from easel.runtime.network_environment import NetworkUnusable

REQUEST_TIMEOUT_S: Final = 30.0


def connection(url: str, **options: Any) -> httpx2.Client:
    """A client for one address. Raises ClientError."""
    made: httpx2.Client = _made(httpx2.Client, url, options)
    return made


def async_connection(url: str, **options: Any) -> httpx2.AsyncClient:
    """The same for asyncio. With a `transport`, nothing of the environment applies."""
    if options.get("transport") is not None:
        return httpx2.AsyncClient(trust_env=False, timeout=REQUEST_TIMEOUT_S, **options)
    made: httpx2.AsyncClient = _made(httpx2.AsyncClient, url, options)
    return made


def _made(kind: Any, url: str, options: dict[str, Any]) -> Any:
    proxy, tls = _environment_for(url)
    try:
        # The environment has already been read.
        return kind(verify=tls, proxy=proxy, trust_env=False, timeout=REQUEST_TIMEOUT_S, **options)
    except httpx2.InvalidURL as error:
        raise ClientError(f"{url} is not a valid address of a service ({error})") from None


def _environment_for(url: str) -> tuple[httpx2.Proxy | None, ssl.SSLContext]:
    """The proxy, if there is one, and the certificates."""
    try:
        proxy_url = network_environment.proxy_for(url)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts no certificate; unused for plain HTTP
        if url.startswith("https:") or (proxy_url or "").startswith("https:"):
            network_environment.check_certificates()
            tls = httpx2.create_ssl_context()
    except NetworkUnusable as error:
        raise ClientError(str(error).rstrip(".")) from None
    return None if proxy_url is None else _proxy(proxy_url, tls), tls


def _proxy(url: str, tls: ssl.SSLContext) -> httpx2.Proxy:
    return httpx2.Proxy(url, ssl_context=tls if url.startswith("https:") else None)
