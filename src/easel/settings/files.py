"""Files and folders that settings name: expands `~`, and reads values from files.

`name` is how the operator wrote the setting: its variable or its option. The paths need not exist.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from easel.settings.types import SettingsWrong


def expanded(name: str, path: Path) -> Path:
    """The path with `~` or `~user` expanded. Raises SettingsWrong."""
    try:
        return path.expanduser()
    except RuntimeError:
        why = f"{_this_user()} has no home folder" if path.parts[0] == "~" else "there is no such user"
        raise SettingsWrong(f"{name} names {path}, but {why}: write the full path.") from None


def expanded_text(name: str, text: str) -> str:
    """The text, with `~` or `~user` expanded if it begins with one. Raises SettingsWrong."""
    return str(expanded(name, Path(text))) if text.startswith("~") else text


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """The data folder if none is set. Raises SettingsWrong."""
    if os.geteuid() == 0:
        return Path("/var/lib/easel")
    home = environ.get("XDG_DATA_HOME", "").strip()
    try:
        return Path(home) / "easel" if home.startswith("/") else Path("~/.local/share/easel").expanduser()
    except RuntimeError:
        raise SettingsWrong(f"EASEL_DATA_DIR is required, because {_this_user()} has no home folder.") from None


def given_or_in_file(environ: Mapping[str, str], name: str) -> str | None:
    """The value of a variable, or the content of the file that `{name}_FILE` names. Raises SettingsWrong."""
    text = environ.get(name, "").strip()
    file = environ.get(f"{name}_FILE", "").strip()
    if text and file:
        raise SettingsWrong(f"{name} and {name}_FILE are both set: set only one of them.")
    return text_in(f"{name}_FILE", Path(file)) if file else text or None


def text_in(name: str, file: Path) -> str:
    """The content of a file without surrounding whitespace. Raises SettingsWrong."""
    file = expanded(name, file)
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsWrong(f"{name} names {file}, which cannot be read ({error.strerror}): check the path.") from None
    except UnicodeDecodeError:
        raise SettingsWrong(f"{name} names {file}, which is not a text file: check the path.") from None
    except ValueError:
        raise SettingsWrong(f"{name} contains a NUL character, which no path may contain.") from None
    if not text:
        raise SettingsWrong(f"{name} names {file}, which is empty: write the value into it.")
    return text


def _this_user() -> str:
    return f"this user (id {os.geteuid()})"
