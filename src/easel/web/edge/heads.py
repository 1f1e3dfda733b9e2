"""What the edge makes of a request's head, and the head of its own answers. Bytes and words alone: nothing is read or sent."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import httptools

from easel.domain.errors import InvalidRequest, Refusal

MALFORMED: Final = "The request is not well-formed HTTP/1.1"
_VERSION: Final = "The request must be HTTP/1.1 or HTTP/1.0"
_HOST: Final = "The request must have one Host header, which names the host that you asked"
_LENGTH: Final = (
    "The length of the body must be given once, by one Content-Length or, in HTTP/1.1, by Transfer-Encoding: chunked"
)


def answer_head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The status line and the headers of an answer."""
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode("ascii")
    return line + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"


def refusal_of(error: httptools.HttpParserError) -> Refusal:
    """Why the parser stopped: one of our callbacks refused, or it could not read on."""
    if isinstance(error.__context__, Refusal):
        return error.__context__
    reason = str(error)
    is_about_length = "Content-Length" in reason or "Transfer-Encoding" in reason
    return InvalidRequest(_LENGTH if is_about_length else MALFORMED)


def fault_of(version: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What is wrong with a head that the parser let pass. It has refused two lengths, and a length beside chunks."""
    given = list(headers)
    hosts = [value for name, value in given if name == b"host"]
    if version not in {"1.0", "1.1"}:
        return _VERSION
    if len(hosts) > 1 or (version == "1.1" and not any(hosts)):
        return _HOST
    if version == "1.0" and any(name == b"transfer-encoding" for name, _ in given):
        return _LENGTH
    return None
