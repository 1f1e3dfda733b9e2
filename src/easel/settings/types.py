"""Describes in words what the type of a setting allows, and accepts choices in any case.

Pure. `checks` covers what types cannot express.
"""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import inspect

from easel.domain.errors import Unusable


class SettingsWrong(Unusable):
    """A setting cannot be used. The message names the variable or option and says how to correct it."""


_PATTERNS = {
    r"^(auto|cpu|mps|cuda(:\d{1,2})?)$": "auto, cpu, mps, cuda, or one GPU such as cuda:0",
    r"^[a-z0-9_-]{1,40}$": "a name of letters, digits, _ and -, such as vulkan0",
}
"""Patterns in words. A test fails if the pattern of a setting is missing here."""


def folded(kind: type[msgspec.Struct], values: Mapping[str, object]) -> dict[str, object]:
    """The values, with choices in lower case, so that `INFO` means `info`."""
    enumerated = {field.name for field in _fields(kind) if _choices(field.type) or _pattern(field.type)}
    return {
        name: value.lower() if name in enumerated and isinstance(value, str) else value
        for name, value in values.items()
    }


def admitted(kind: type[msgspec.Struct], name: str) -> str:
    """What a setting may be, worded to follow "must be": "a whole number from 0 to 65535", "one of json, text"."""
    return _words(next(field.type for field in _fields(kind) if field.name == name))


def bounds(kind: type[msgspec.Struct], name: str) -> tuple[float, float] | None:
    """The smallest and the largest number that a setting may be; None if it is not a number with bounds."""
    type_ = _without_none(next(field.type for field in _fields(kind) if field.name == name))
    if not isinstance(type_, inspect.IntType | inspect.FloatType):
        return None
    assert type_.ge is not None
    assert type_.le is not None
    return type_.ge, type_.le


def _fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _words(type_: inspect.Type) -> str:
    match _without_none(type_):
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(str(value) for value in values)}"
        case inspect.IntType(ge=least, le=most):
            return f"a whole number{_bounds(least, most)}"
        case inspect.FloatType(ge=least, le=most):
            return f"a number{_bounds(least, most)}"
        case inspect.DecimalType():
            return "a number, such as 0.026"
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType(pattern=str(pattern)):
            return _PATTERNS[pattern]
        case inspect.StrType(max_length=int(most)):
            return f"text of at most {most} characters"
    return "text"


def _bounds(least: float | None, most: float | None) -> str:
    assert least is not None
    assert most is not None
    return f" from {least} to {most}"


def _choices(type_: inspect.Type) -> bool:
    return any(isinstance(each, inspect.LiteralType | inspect.BoolType) for each in _alternatives(type_))


def _pattern(type_: inspect.Type) -> bool:
    return any(isinstance(each, inspect.StrType) and each.pattern is not None for each in _alternatives(type_))


def _without_none(type_: inspect.Type) -> inspect.Type:
    return next(each for each in _alternatives(type_) if not isinstance(each, inspect.NoneType))


def _alternatives(type_: inspect.Type) -> Iterator[inspect.Type]:
    yield from type_.types if isinstance(type_, inspect.UnionType) else (type_,)
