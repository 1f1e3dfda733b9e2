"""Reads the bodies of operators' requests: names, amounts of credits, limits and times.

A field that does not exist is refused: a misspelt limit would otherwise be no limit.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request

from easel.domain.api_key import DEFAULT_SCOPES, Scope
from easel.domain.credits import MICROCREDITS_MAX, MICROCREDITS_PER_CREDIT, parse_credits
from easel.domain.errors import InvalidRequest
from easel.domain.order import MODELS
from easel.web.requests import json_body

NAME_CHARACTERS_MAX: Final = 64
REASON_CHARACTERS_MAX: Final = 500
LIMIT_MAX: Final = 1_000_000_000
EXPIRY_S_MAX: Final = 3650 * 86_400
_CREDITS_MAX: Final = MICROCREDITS_MAX // MICROCREDITS_PER_CREDIT

Fields = Mapping[str, Any]


async def fields_of(request: Request, known: Collection[str]) -> Fields:
    """The fields of the request's body, a JSON object. Raises InvalidRequest if it has one that is not known."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object")
    for name in body:
        if name not in known:
            raise InvalidRequest(f"There is no such field. The fields are: {', '.join(known)}", str(name)[:64])
    return body


def text(fields: Fields, name: str, characters_min: int = 0, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """A text in one line. An absent one is empty. Raises InvalidRequest."""
    value = fields.get(name, "")
    if (
        not isinstance(value, str)
        or not characters_min <= len(value) <= characters_max
        or not value.isprintable()
        or value.isspace()
    ):
        raise InvalidRequest(f"{name} must have {characters_min} to {characters_max} printable characters", name)
    return value


def microcredits(fields: Fields, name: str, *, is_zero_allowed: bool = False) -> int:
    """An amount of credits, in micro-credits. Raises InvalidRequest."""
    amount = _amount(fields.get(name))
    if amount is None or amount < 0 or (amount == 0 and not is_zero_allowed):
        least = "of at least 0" if is_zero_allowed else "above 0"
        raise InvalidRequest(
            f"{name} must be a number {least}, at most {_CREDITS_MAX}, with at most six decimal places", name
        )
    return amount


def signed_microcredits(fields: Fields, name: str) -> int:
    """An amount of credits that may be negative, in micro-credits. Raises InvalidRequest."""
    amount = _amount(fields.get(name))
    if not amount:
        raise InvalidRequest(
            f"{name} must be a number other than 0, at most {_CREDITS_MAX} either way, with at most six decimal places",
            name,
        )
    return amount


def whole(fields: Fields, name: str, least: int, most: int) -> int:
    """A whole number. Raises InvalidRequest."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidRequest(f"{name} must be a whole number from {least} to {most}", name)
    return value


def truth(fields: Fields, name: str) -> bool:
    """True or false. An absent one is false. Raises InvalidRequest."""
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false", name)
    return value


def expiry(fields: Fields, name: str, now: datetime) -> datetime:
    """A time in the future, which is given as a Unix time. Raises InvalidRequest."""
    value = fields.get(name)
    now_s = now.timestamp()
    if not isinstance(value, int) or isinstance(value, bool) or not now_s < value <= now_s + EXPIRY_S_MAX:
        raise InvalidRequest(f"{name} must be a Unix time in the future, at most ten years ahead", name)
    return datetime.fromtimestamp(value, UTC)


def scopes(fields: Fields) -> tuple[Scope, ...]:
    """What a key may do. Absent means generate and read. Raises InvalidRequest."""
    value = fields.get("scopes")
    if value is None:
        return DEFAULT_SCOPES
    return tuple(Scope(each) for each in _among(value, "scopes", tuple(Scope)))


def models(fields: Fields) -> tuple[str, ...] | None:
    """The models that a key may use. None means all. Raises InvalidRequest."""
    value = fields.get("models")
    return None if value is None else _among(value, "models", MODELS)


def model(fields: Fields) -> str:
    """A model. Absent means the first. Raises InvalidRequest."""
    value = fields.get("model", MODELS[0])
    if value not in MODELS:
        raise InvalidRequest(f"model must be one of {', '.join(MODELS)}", "model")
    return str(value)


def _among(value: object, name: str, known: Collection[str]) -> tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(each, str) and each in known for each in value):
        return tuple(dict.fromkeys(value))
    raise InvalidRequest(f"{name} must be a list of at least one of: {', '.join(known)}", name)


def _amount(value: object) -> int | None:
    """Micro-credits. None if the value is not an amount that Easel can keep exactly."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _CREDITS_MAX:
        return None
    written = f"{abs(value):.6f}"
    if float(written) != abs(value):
        return None
    return (-1 if value < 0 else 1) * (parse_credits(written) if value else 0)
