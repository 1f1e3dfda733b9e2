"""Refusals in OpenAI's words, for every address under /openai/.

What its SDK makes of them: 400, 401, 403, 404, 409, 422 and 429 become exceptions of their own, 5xx another one, and
408, 409, 429 and 5xx are tried again, twice unless told otherwise, after `Retry-After`.
"""

from collections.abc import Mapping
from typing import Any, Final

from easel.domain.errors import IdempotencyConflict, Refusal

_PREFIX: Final = "/openai/"
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
