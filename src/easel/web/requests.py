"""Reads a request: its JSON body, its idempotency key, how long it may wait, and the address that it was sent to."""

import re
from typing import Final

import msgspec
from starlette.requests import Request

from easel.domain.errors import InvalidRequest, InvalidTaskId, PayloadTooLarge, TaskNotFound
from easel.domain.task import has_id_prefix, is_id

BODY_BYTES_MAX: Final = 64 * 1024
WAIT_S_MAX: Final = 60
_HTTP_SCHEMES: Final = {"ws": "http", "wss": "https"}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::[0-9]{1,5})?")
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._-]{16,96}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_PREFERRED_NUMBER = re.compile(r'([0-9]{1,100})|"([0-9]{1,100})"')


class BaseUrl:
    """The base of picture links and of the addresses in the API reference.

    It is `public_url` if the operator set one, and otherwise the address that the client used.
    """

    def __init__(self, public_url: str | None) -> None:
        self.public_url = public_url

    def of(self, request: Request) -> str:
        """The base URL for the answer to this request. Raises InvalidRequest if the Host header is not a host name."""
        return self.of_client(request) if self.public_url is None else self.public_url

    def of_client(self, request: Request) -> str:
        """The address that the client used. Raises InvalidRequest if the Host header is not a host name."""
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise InvalidRequest("The Host header must be a valid host name or address")
        scheme = request.scope["scheme"]
        # A proxy may call the same schemes `ws` and `wss`.
        return f"{_HTTP_SCHEMES.get(scheme, scheme)}://{host}"


async def json_body(request: Request) -> object:
    """The decoded body. Raises InvalidRequest, PayloadTooLarge."""
    return decode(await whole_body(request))


async def whole_body(request: Request) -> bytearray:
    """The body. Raises PayloadTooLarge."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > BODY_BYTES_MAX:
        raise PayloadTooLarge(BODY_BYTES_MAX)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise PayloadTooLarge(BODY_BYTES_MAX)
    return body


def decode(body: bytes | bytearray) -> object:
    """The value of a JSON text. Raises InvalidRequest if it is not JSON in UTF-8, or nested too deeply."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidRequest("The request body must be valid JSON in UTF-8") from None


async def discard_body(request: Request, bytes_max: int) -> None:
    """Read and drop the body, up to `bytes_max`."""
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes > bytes_max:
            return


def task_id(request: Request) -> str:
    """The task id in the path, which the request's log line then shows. Raises InvalidTaskId, TaskNotFound."""
    text: str = request.path_params["task_id"]
    if not has_id_prefix(text):
        raise InvalidTaskId
    if not is_id(text):
        raise TaskNotFound
    request.state.task_id = text
    return text


def idempotency_key(request: Request) -> str | None:
    """The request's idempotency key, if it has one. Raises InvalidRequest."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise InvalidRequest("Idempotency-Key must be 16 to 96 letters, digits, dots, hyphens or underscores")
    return keys[0]


def preferred_wait_s(request: Request) -> int | None:
    """The seconds in `Prefer: wait=N` (RFC 7240), at most WAIT_S_MAX. `Prefer: wait` asks for WAIT_S_MAX.

    None if the preference is missing or malformed.
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


def whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number in the query string, or `default` if it is absent. Raises InvalidRequest."""
    # Without a query, which is the usual case, there is nothing to parse.
    text = request.query_params.get(name) if request.scope["query_string"] else None
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"{name} must be a whole number from {least} to {most}", name)
    return int(text)


def flag(request: Request, name: str) -> bool:
    """A flag in the query string, which is off if it is absent. Raises InvalidRequest."""
    text = request.query_params.get(name, "false") if request.scope["query_string"] else "false"
    if text not in {"true", "false"}:
        raise InvalidRequest(f"{name} must be true or false", name)
    return text == "true"
