"""Builds answers: JSON, errors as the contract words them, and the headers that every answer carries."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from easel.domain.errors import Refusal
from easel.domain.rate import Standing
from easel.web.openai.errors import is_for_openai, openai_error_body, openai_error_headers

SECURITY_HEADERS: Final = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
_NO_STORE: Final = (b"cache-control", b"no-store")
_JSON: Final = (b"content-type", b"application/json")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's own `X-Request-ID` if it is well formed, otherwise a new id."""
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return f"req-{os.urandom(12).hex()}"


def rate_headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Headers for a key's rate limit: those of the IETF draft (ratelimit-headers-10) and the older X-RateLimit ones."""
    quota, remaining, reset_s = standing.quota, standing.remaining, standing.reset_s
    return [
        (b"ratelimit-policy", f'"{quota.name}";q={quota.count_max};w={quota.window_s}'.encode()),
        (b"ratelimit", f'"{quota.name}";r={remaining};t={reset_s}'.encode()),
        (b"x-ratelimit-limit", str(quota.count_max).encode()),
        (b"x-ratelimit-remaining", str(remaining).encode()),
        (b"x-ratelimit-reset", str(reset_s).encode()),
    ]


def encode(value: object) -> bytes:
    """Compact JSON with sorted keys."""
    return msgspec.json.encode(value, order="sorted")


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON that no cache may store."""
    return _JsonAnswer(encode(body), status, headers)


class _JsonAnswer(Response):
    """Writes its few headers without Starlette's general way of doing so, which takes several times as long."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Called by Starlette."""
        more = () if headers is None else ((name.encode(), value.encode()) for name, value in headers.items())
        length = b"%d" % len(self.body)
        self.raw_headers = [_NO_STORE, *more, (b"content-length", length), _JSON]


def refusal_answer(refusal: Refusal, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a refused request, in the contract's wording for this path."""
    more = dict(headers or {})
    if refusal.retry_after_s is not None:
        more["retry-after"] = str(refusal.retry_after_s)
    if refusal.picture_bytes is not None:
        more["content-range"] = f"bytes */{refusal.picture_bytes}"
    if refusal.allowed_methods:
        more["allow"] = ", ".join(refusal.allowed_methods)
    if refusal.status == 401:
        more["www-authenticate"] = "Bearer"
    if is_for_openai(path):
        more |= openai_error_headers(refusal)
    return json_answer(error_body(refusal, path), refusal.status, more)


def error_body(refusal: Refusal, path: str) -> dict[str, Any]:
    """The JSON body that reports a refusal, in the contract's wording for this path."""
    if is_for_openai(path):
        return openai_error_body(refusal)
    is_about_tasks = path == "/v1/tasks" or path.startswith("/v1/tasks/")
    wording = refusal.task if is_about_tasks else refusal.generation
    error: dict[str, Any] = {"code": wording.code, "message": wording.message, "type": wording.type}
    if path == "/v1/credits":
        error["code"] = refusal.status
    if refusal.param is not None:
        error["param"] = refusal.param
    return {"error": error}
