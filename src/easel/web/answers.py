"""The answers that endpoints give, the headers that go with each kind, and those that go with all."""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from starlette.responses import Response

from easel.domain.errors import Refusal
from easel.domain.rate import Standing
from easel.web import wire
from easel.web.openai import errors as openai_errors

SECURITY_HEADERS: Final = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's own id of the request where it has a harmless one, so that it can follow it; else a new one."""
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return f"req-{secrets.token_hex(12)}"


def rate_headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Where a key stands with a quota: as the IETF's draft says it (ratelimit-headers-10), and as it used to be said."""
    quota = standing.quota
    told = {
        "ratelimit-policy": f'"{quota.name}";q={quota.count_max};w={quota.window_s}',
        "ratelimit": f'"{quota.name}";r={standing.remaining};t={standing.reset_s}',
        "x-ratelimit-limit": str(quota.count_max),
        "x-ratelimit-remaining": str(standing.remaining),
        "x-ratelimit-reset": str(standing.reset_s),
    }
    return [(name.encode(), value.encode()) for name, value in told.items()]


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Compact JSON, not to be kept by any cache."""
    return Response(
        wire.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def refusal_answer(refusal: Refusal, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as the contract words it for this path."""
    more = dict(headers or {})
    if refusal.retry_after_s is not None:
        more["retry-after"] = str(refusal.retry_after_s)
    if refusal.picture_bytes is not None:
        more["content-range"] = f"bytes */{refusal.picture_bytes}"
    if refusal.status == 401:
        more["www-authenticate"] = "Bearer"
    if openai_errors.is_for_openai(path):
        more |= openai_errors.error_headers(refusal)
    return json_answer(wire.error_body(refusal, path), refusal.status, more)
