"""Reads settings from the TOML file that EASEL_CONFIG names. A variable of the environment takes precedence.

A setting has the name of its variable in the file, or that name in lower case without `EASEL_`. A list stands for
values separated by commas.
"""

import re
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from easel.settings import names
from easel.settings.files import expanded
from easel.settings.names import PREFIX
from easel.settings.types import SettingsWrong

VARIABLE: Final = "EASEL_CONFIG"
FILE_BYTES_MAX: Final = 1024 * 1024
_FILE_SUFFIX: Final = "_FILE"
_NAME: Final = re.compile(rf"{PREFIX}\w+")


def path_in(environ: Mapping[str, str]) -> Path | None:
    """The file that the environment names, or None. Raises SettingsWrong."""
    text = environ.get(VARIABLE, "").strip()
    return expanded(VARIABLE, Path(text)) if text else None


def read(environ: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The variables that the file sets and the environment does not, as text. `known` are all variables.

    Raises SettingsWrong for a file that cannot be read, an unknown name, or a value that no setting can have.
    """
    path = path_in(environ)
    if path is None:
        return {}
    values: dict[str, str] = {}
    for key, value in _table(path).items():
        name = _variable(path, key, known)
        if name in values:
            raise SettingsWrong(f"{path} sets {name} twice: remove one of the two.")
        values[name] = _text(path, key, value)
    set_outside = {_subject(name) for name in known if environ.get(name, "").strip()}
    return {name: value for name, value in values.items() if _subject(name) not in set_outside}


@contextmanager
def named(environ: Mapping[str, str], known: Collection[str]) -> Iterator[None]:
    """Begin the message of a SettingsWrong in the block with the path of the file, if the file sets its subject."""
    try:
        yield
    except SettingsWrong as error:
        path, mentioned = path_in(environ), set(_NAME.findall(str(error)))
        if path is None or str(path) in str(error) or mentioned.isdisjoint(read(environ, known)):
            raise
        raise SettingsWrong(f"{path}: {error}") from None


def exposure(environ: Mapping[str, str], secrets: Collection[str]) -> str | None:
    """A sentence about who else may read the file and these secrets in it; None if nobody may, or it has none."""
    path = path_in(environ)
    if path is None or not secrets:
        return None
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if not mode & stat.S_IROTH:
        return None
    return (
        f"The settings file {path} can be read by every user of this machine (mode {mode:04o}), and contains "
        f"{', '.join(sorted(secrets))}: run `chmod o= {path}`."
    )


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise SettingsWrong(f"{VARIABLE} names {path}, which has more than {FILE_BYTES_MAX} bytes.")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise SettingsWrong(
            f"{VARIABLE} names {path}, which cannot be read ({error.strerror}): check the path."
        ) from None
    except UnicodeDecodeError:
        raise SettingsWrong(f"{path} is not text in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsWrong(f'{path} is not valid TOML ({error}). Write text in quotes, such as host = "::".') from None
    except ValueError:
        raise SettingsWrong(f"{VARIABLE} contains a NUL character, which no path may contain.") from None


def _variable(path: Path, key: str, known: Collection[str]) -> str:
    """The variable that a key of the file means."""
    name = key if key.startswith(PREFIX) else names.variable(key)
    if name == VARIABLE or name not in known:
        near = names.nearest(name, set(known) - {VARIABLE})
        hint = f" Did you mean {near.removeprefix(PREFIX).lower()}?" if near else ""
        raise SettingsWrong(f"{path} sets {key}, which is not a setting of Easel.{hint}")
    return name


def _text(path: Path, key: str, value: object) -> str:
    """A value as it would be written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str | int) and not isinstance(each, bool) for each in value):
        return ",".join(map(str, value))
    raise SettingsWrong(f"{path}: {key} must be text, a number, true, false or a list of texts.")


def _subject(name: str) -> str:
    """The setting that a variable is about: X_FILE sets X."""
    return name.removesuffix(_FILE_SUFFIX)
