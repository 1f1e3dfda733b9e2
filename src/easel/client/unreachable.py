"""Explains why a request failed, and what to do about it.

The explanation comes from the error alone. Nothing is requested or resolved again.
"""

import errno
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import httpx2

from easel.runtime import network_environment

_OWN_FAULTS: Final = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)
_UNKNOWN_AUTHORITY: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a valid certificate from an authority that this machine does not know."""


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed shortly afterwards."""
    return isinstance(error, httpx2.TransportError) and not isinstance(error, _OWN_FAULTS)


def why(url: str, error: Exception, setting: str) -> str:
    """The explanation of an httpx2 error or a UnicodeError, without full stop. `setting` names where the URL is set."""
    cause = _cause(error)
    if isinstance(error, _OWN_FAULTS):
        return f"The request to {_base(url)} could not be made ({error})"
    variable = network_environment.proxy_variable_for(url)
    if variable is not None and not isinstance(cause, ssl.SSLError):
        return _by_proxy(url, error, variable)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(url, cause)
    if isinstance(cause, ssl.SSLError):
        return _no_tls(url, cause)
    if isinstance(cause, socket.gaierror | UnicodeError):
        return _no_host(url, cause, setting)
    if isinstance(error, httpx2.TimeoutException):
        return f"{_base(url)} did not answer in time"
    if isinstance(error, httpx2.ConnectError):
        return _no_connection(url, cause, setting)
    if isinstance(error, httpx2.TransportError):
        also = f": if it speaks TLS, try {_other_scheme(url)}" if url.startswith("http:") else ""
        return f"{_base(url)} ended the connection without an answer{also}"
    return f"{_base(url)} sent a response that cannot be read ({type(error).__name__})"


def through_proxy(url: str) -> str:
    """A sentence to append if the request used a proxy, whose answers are easily mistaken for the service's."""
    variable = network_environment.proxy_variable_for(url)
    return "" if variable is None else f". The request went through the proxy in {variable}. {_around(url)}"


def _by_proxy(url: str, error: Exception, variable: str) -> str:
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return f"The proxy in {variable} could not be reached. {_around(url)}"
    said = f" ({error})" if isinstance(error, httpx2.ProxyError) and str(error).isprintable() else ""
    return f"The proxy in {variable} could not forward the request to {_base(url)}{said}. {_around(url)}"


def _around(url: str) -> str:
    return f"Set NO_PROXY={urlsplit(url).hostname} to bypass it"


def _untrusted(url: str, cause: ssl.SSLCertVerificationError) -> str:
    sentence = f"The certificate of {_base(url)} is not trusted ({cause.verify_message.rstrip('.')})"
    if cause.verify_code not in _UNKNOWN_AUTHORITY:
        return sentence
    variable = network_environment.certificates_variable()
    if variable is None:
        return f"{sentence}: set SSL_CERT_FILE to a file with the certificate of the authority that signed it"
    return f"{sentence}: the certificates in {variable} do not include the authority that signed it"


def _no_tls(url: str, cause: ssl.SSLError) -> str:
    reason = cause.reason or type(cause).__name__
    if "ALERT" in reason or "PROTOCOL" in reason:  # only sent by a server that speaks TLS
        return f"{_base(url)} and Easel do not agree on a version of TLS ({reason})"
    return f"{_base(url)} does not speak TLS: try {_other_scheme(url)}"


def _no_host(url: str, cause: Exception, setting: str) -> str:
    host = urlsplit(url).hostname
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
        return (
            f"The host {host} could not be resolved, because no name server answered: check the network, or {setting}"
        )
    return f"The host {host} does not exist: check {setting}"


def _no_connection(url: str, cause: BaseException, setting: str) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return f"{_base(url)} cannot be reached: is `easel serve` running there? Otherwise correct {setting}"
    if isinstance(cause, ConnectionResetError) and url.startswith("https:"):
        return f"{_base(url)} does not speak TLS: try {_other_scheme(url)}"
    reason = cause.strerror if isinstance(cause, OSError) and cause.errno in errno.errorcode else str(cause)
    return f"{_base(url)} cannot be reached ({reason}): check the network, or {setting}"


def _cause(error: BaseException) -> BaseException:
    """The original error below the layers of the HTTP library."""
    while isinstance(error, Exception) and type(error).__module__.startswith(("httpx", "httpcore")):
        below = error.__cause__ or error.__context__
        if below is None:
            break
        error = below
    return _first_attempt(error)


def _first_attempt(error: BaseException) -> BaseException:
    """The error of the first address that was tried, where a library reports all of them together."""
    if isinstance(error, OSError) and error.errno is None and error.__cause__ is not None:
        error = error.__cause__
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _base(url: str) -> str:
    """The URL without everything after the host, which may contain a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _other_scheme(url: str) -> str:
    base = _base(url)
    return base.replace("https:", "http:", 1) if base.startswith("https:") else base.replace("http:", "https:", 1)
