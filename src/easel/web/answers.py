"""The answers that endpoints give, and the headers that go with each kind."""

from collections.abc import Mapping

from starlette.responses import Response

from easel.domain.errors import Refusal
from easel.web import wire


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
    return json_answer(wire.error_body(refusal, path), refusal.status, more)
