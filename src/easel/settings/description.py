"""The descriptions of settings, which `--help` and the reference page show.

A description is written only in the annotation of the setting's field, next to its type.
"""

import typing
from dataclasses import dataclass
from enum import Enum

import msgspec


class Group(Enum):
    """The sections of the reference page, in their order."""

    NETWORK = "Network and API"
    DATA = "Data"
    DATABASE = "Database"
    ENGINE = "Engine"
    ZIMAGE = "The zimage engine"
    SDCPP = "The sdcpp engine"
    REMOTE = "The remote engine"
    TIMES = "Time limits"
    ACCOUNTS = "Prices and request limits"
    RETENTION = "Retention"
    CALLBACKS = "Callbacks"
    MODERATION = "Moderation"
    LOGS = "Logs and traces"
    CLIENT = "Client"


@dataclass(frozen=True, slots=True)
class Description:
    """What a setting is, in one or more sentences; the first one must be enough for `--help`."""

    group: Group
    text: str
    default: str = ""
    """The default in words, if the field's own default does not say it."""
    has_file_variant: bool = False
    """Whether the variable with `_FILE` at its end may name a file that contains the value."""

    @property
    def summary(self) -> str:
        """The first sentence, without its full stop."""
        return self.text.partition(". ")[0].rstrip(".")


def descriptions(kind: type[msgspec.Struct]) -> dict[str, Description]:
    """The description of each setting, by the field's name."""
    return {
        name: next(part for part in hint.__metadata__ if isinstance(part, Description))
        for name, hint in typing.get_type_hints(kind, include_extras=True).items()
    }


def default_value(kind: type[msgspec.Struct], name: str) -> str:
    """The default of a setting as an operator would write it; empty if there is none."""
    value = next(field.default for field in msgspec.structs.fields(kind) if field.name == name)
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def described(kind: type[msgspec.Struct], name: str) -> Description:
    """The description of one setting."""
    return descriptions(kind)[name]
