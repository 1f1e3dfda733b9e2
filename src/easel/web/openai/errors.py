"""Words refusals as OpenAI does, for every address under /openai.

OpenAI's SDKs raise a different exception for each of 400, 401, 403, 404, 409, 422 and 429, and one for 5xx. They retry
408, 409, 429 and 5xx, twice by default, after `Retry-After`.
"""

from collections.abc import Mapping
from typing import Any, Final

from easel.domain.errors import IdempotencyConflict, Refusal, Wording

_ROOT: Final = "/openai"
_NO_RETRY: Final = {"x-should-retry": "false"}


def is_for_openai(path: str) -> bool:
    """Whether an address is for OpenAI's clients."""
    return path == _ROOT or path.startswith(f"{_ROOT}/")


def openai_error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as OpenAI's clients read it, always with all four fields."""
    words = wording(refusal)
    error = {"code": words.code, "message": words.message, "param": refusal.param, "type": words.type}
    return {"error": error}


def wording(refusal: Refusal) -> Wording:
    """A refusal in OpenAI's words if it has any, otherwise in those of the creation endpoint."""
    return refusal.openai or refusal.generation


def openai_error_headers(refusal: Refusal) -> Mapping[str, str]:
    """Headers that keep OpenAI's SDKs from a useless retry. A 504 means that the order has already taken too long."""
    return _NO_RETRY if refusal.status == 504 or isinstance(refusal, IdempotencyConflict) else {}
