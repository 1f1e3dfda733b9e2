"""Tells the value of every setting and where it comes from, without showing secrets. Checks nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from easel.settings import config_file, settings
from easel.settings.description import Description, default_value, descriptions
from easel.settings.names import variable
from easel.settings.settings import ClientSettings, Settings

ENVIRONMENT: Final = "environment"
FILE: Final = "file"
DEFAULT: Final = "default"
MASK: Final = "********"
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:,]*):.*?@(?=[^@,]*(?:,|$))")
"""Of each address in a list. It ends at the last @, also where the operator forgot to write @ and / as %40 and %2F."""
_IN_QUERY: Final = re.compile(r"([?&][^=&,]*(?:pass|secret|token|key|sig)[^=&,]*=)[^&]*", re.IGNORECASE)
"""A part of a query that is secret, going by its name: libpq takes password and sslpassword, stores of pictures take
keys."""
_SECRETS: Final = frozenset({"api_key"})
"""The secrets that have no variant with `_FILE`."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The value of a setting as text, and its source: `environment`, `file` or `default`."""

    name: str
    value: str
    source: str


def explain(environ: Mapping[str, str]) -> list[Explanation]:
    """Every setting in the order of the reference page, with variables that name files. Raises SettingsWrong."""
    of_file = config_file.read(environ, settings.known_variables())
    given = {
        **{name: (text, FILE) for name, text in of_file.items()},
        **{name: (text.strip(), ENVIRONMENT) for name, text in environ.items() if text.strip()},
    }
    return [
        each
        for kind in (Settings, ClientSettings)
        for field, description in descriptions(kind).items()
        for each in _explained(kind, field, description, given)
    ]


def exposed_file(environ: Mapping[str, str]) -> str | None:
    """A sentence if the settings file has secrets that every user of this machine can read. Raises SettingsWrong."""
    secrets = [each.name for each in explain(environ) if each.source == FILE and MASK in each.value]
    return config_file.exposure(environ, secrets)


def _explained(
    kind: type[msgspec.Struct], field: str, description: Description, given: Mapping[str, tuple[str, str]]
) -> Iterator[Explanation]:
    name = variable(field)
    in_file = f"{name}_FILE"
    if description.has_file_variant and in_file in given:
        yield Explanation(in_file, *given[in_file])
    if name in given:
        text, source = given[name]
        is_secret = description.has_file_variant or field in _SECRETS
        yield Explanation(name, MASK if is_secret else _masked(text), source)
    elif not (description.has_file_variant and in_file in given):
        default = description.default.replace("`", "") or default_value(kind, field)
        yield Explanation(name, default, DEFAULT)


def _masked(text: str) -> str:
    """The text without the passwords and keys of the addresses in it."""
    return _IN_QUERY.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text))
