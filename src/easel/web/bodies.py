"""Reading what a request brings: its JSON body, its name for its order, and its wishes about waiting."""

import re
from typing import Final

from starlette.requests import Request

from easel.domain.errors import InvalidRequest, PayloadTooLarge
from easel.web import wire

BODY_BYTES_MAX: Final = 64 * 1024
WAIT_S_MAX: Final = 60
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_PREFERRED_NUMBER = re.compile(r'([0-9]{1,100})|"([0-9]{1,100})"')


async def json_body(request: Request) -> object:
    """What the body holds. Raises InvalidRequest, PayloadTooLarge."""
    try:
        return wire.decode(await _body(request))
    except ValueError:
        raise InvalidRequest("The request body must be valid JSON in UTF-8") from None


async def discard_body(request: Request, bytes_max: int) -> None:
    """Read a body that nobody needs, or the beginning of a longer one."""
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes > bytes_max:
            return


async def _body(request: Request) -> bytes:
    """The whole body, unless it is larger than we care to hold. Raises PayloadTooLarge."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > BODY_BYTES_MAX:
        raise PayloadTooLarge(BODY_BYTES_MAX)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise PayloadTooLarge(BODY_BYTES_MAX)
    return bytes(body)


def idempotency_key(request: Request) -> str | None:
    """The key that the client gave its order. Raises InvalidRequest."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise InvalidRequest("Idempotency-Key must be 16 to 96 letters, digits, dots, hyphens or underscores")
    return keys[0]


def preferred_wait_s(request: Request) -> int | None:
    """Seconds of `Prefer: wait=N`, at most WAIT_S_MAX, which `Prefer: wait` alone means as well.

    None without, or where it is not well-formed (RFC 7240).
    """
    preferences = ",".join(request.headers.getlist("prefer"))
    for preference in preferences.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() != "wait":
            continue
        if value.strip() in {"", '""'}:  # RFC 7240: an empty value is the same as none
            return WAIT_S_MAX
        seconds = _PREFERRED_NUMBER.fullmatch(value.strip())
        if seconds is not None:
            return min(WAIT_S_MAX, int(seconds[1] or seconds[2]))
    return None


def asked_wait_s(request: Request) -> int:
    """Seconds of `?wait=N`, 0 without. Raises InvalidRequest."""
    return whole_number(request, "wait", 0, 0, WAIT_S_MAX)


def whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number in the query. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"{name} must be a whole number from {least} to {most}", name)
    return int(text)
