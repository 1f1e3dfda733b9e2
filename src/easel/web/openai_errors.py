"""Refusals in OpenAI's words, for every address under /openai/, and one for OpenAI's clients elsewhere.

What its SDK makes of them: 400, 401, 403, 404, 409, 422 and 429 become exceptions of their own, 5xx another one, and
408, 409, 429 and 5xx are tried again, twice unless told otherwise, after `Retry-After`.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from easel.domain.errors import IdempotencyConflict, InvalidRequest, Refusal

_PREFIX: Final = "/openai/"
_HEADER_OF_ITS_SDKS: Final = "x-stainless-"
_WRONG_BASE_URL: Final = (
    "This address answers with a task, which OpenAI's clients cannot read: "
    "set the client's base URL to this service's address with /openai/v1 at its end"
)
_NO_MORE: Final = {"x-should-retry": "false"}


def is_for_openai(path: str) -> bool:
    """Whether an address speaks to OpenAI's clients."""
    return path.startswith(_PREFIX)


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as OpenAI's clients read it: all four fields, always."""
    wording = refusal.openai or refusal.generation
    error = {"code": wording.code, "message": wording.message, "param": refusal.param, "type": wording.type}
    return {"error": error}


def error_headers(refusal: Refusal) -> Mapping[str, str]:
    """What keeps OpenAI's SDK from trying again what it would try in vain: what is 504 took too long already."""
    return _NO_MORE if refusal.status == 504 or isinstance(refusal, IdempotencyConflict) else {}


def refuse_other_clients(request: Request, fields: object) -> None:
    """Tell OpenAI's clients, where tasks are created, which base URL they need, before anything is charged.

    Raises InvalidRequest for a request that only they make: with a header of their SDKs or with `response_format`.
    """
    is_sdk = any(name.startswith(_HEADER_OF_ITS_SDKS) for name in request.headers)
    if is_sdk or (isinstance(fields, dict) and "response_format" in fields):
        raise InvalidRequest(_WRONG_BASE_URL)
