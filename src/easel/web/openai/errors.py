"""Refusals in OpenAI's words, for every address under /openai, and one for OpenAI's clients at the wrong address.

What its SDK makes of them: 400, 401, 403, 404, 409, 422 and 429 become exceptions of their own, 5xx another one, and
408, 409, 429 and 5xx are tried again, twice unless told otherwise, after `Retry-After`.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from easel.domain.errors import IdempotencyConflict, InvalidRequest, Refusal, Wording

_ROOT: Final = "/openai"
_HEADER_OF_ITS_SDKS: Final = "x-stainless-"
_OPENAIS_FIELD: Final = "response_format"
_WRONG_BASE_URL: Final = (
    "This address creates tasks, which OpenAI's clients cannot read. "
    "Set the client's base URL to this service's address followed by /openai/v1"
)
_NOT_A_FIELD: Final = f"{_WRONG_BASE_URL}. To create a task, leave out {_OPENAIS_FIELD}"
_NO_MORE: Final = {"x-should-retry": "false"}


def is_for_openai(path: str) -> bool:
    """Whether an address speaks to OpenAI's clients."""
    return path == _ROOT or path.startswith(f"{_ROOT}/")


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as OpenAI's clients read it: all four fields, always."""
    told = wording(refusal)
    error = {"code": told.code, "message": told.message, "param": refusal.param, "type": told.type}
    return {"error": error}


def wording(refusal: Refusal) -> Wording:
    """A refusal in OpenAI's words, where it has words of its own for it."""
    return refusal.openai or refusal.generation


def error_headers(refusal: Refusal) -> Mapping[str, str]:
    """What keeps OpenAI's SDK from trying again what it would try in vain: what is 504 took too long already."""
    return _NO_MORE if refusal.status == 504 or isinstance(refusal, IdempotencyConflict) else {}


def refuse_openai_clients(request: Request, fields: object) -> None:
    """Where tasks are created, tell OpenAI's clients which base URL they need before anything is charged.

    Raises InvalidRequest for a request that only they make: with a header of their SDKs or with `response_format`.
    """
    if any(name.startswith(_HEADER_OF_ITS_SDKS) for name in request.headers):
        raise InvalidRequest(_WRONG_BASE_URL)
    if isinstance(fields, dict) and _OPENAIS_FIELD in fields:
        raise InvalidRequest(_NOT_A_FIELD, _OPENAIS_FIELD)
