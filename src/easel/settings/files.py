"""Files and folders that settings name: a home meant by a tilde, and what a file holds.

`name` is always what the operator wrote the setting as, for the sentence. It does not promise that a path is there.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from easel.settings.types import SettingsWrong


def expanded(name: str, path: Path) -> Path:
    """The path with a home in place of `~` or `~user`. Raises SettingsWrong."""
    try:
        return path.expanduser()
    except RuntimeError:
        why = f"{_nobody()} has no home folder" if path.parts[0] == "~" else "there is no such user"
        raise SettingsWrong(f"{name} names {path}, and {why}: write the whole path.") from None


def expanded_text(name: str, text: str) -> str:
    """The same of a text that may be something else than a path. Raises SettingsWrong."""
    return str(expanded(name, Path(text))) if text.startswith("~") else text


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where the data is kept when nobody says. Raises SettingsWrong."""
    if os.geteuid() == 0:
        return Path("/var/lib/easel")
    home = environ.get("XDG_DATA_HOME", "").strip()
    try:
        return Path(home) / "easel" if home.startswith("/") else Path("~/.local/share/easel").expanduser()
    except RuntimeError:
        raise SettingsWrong(f"EASEL_DATA_DIR is required, as {_nobody()} has no home folder to keep data in.") from None


def given_or_in_file(environ: Mapping[str, str], name: str) -> str | None:
    """What the variable holds, or the file that the variable with `_FILE` at its end names. Raises SettingsWrong."""
    text = environ.get(name, "").strip()
    file = environ.get(f"{name}_FILE", "").strip()
    if text and file:
        raise SettingsWrong(f"{name} and {name}_FILE are both set: set only one of them.")
    return text_in(f"{name}_FILE", Path(file)) if file else text or None


def text_in(name: str, file: Path) -> str:
    """What a file holds, less blanks around it. Raises SettingsWrong."""
    file = expanded(name, file)
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsWrong(f"{name} names {file}, which cannot be read ({error.strerror}): check its path.") from None
    except UnicodeDecodeError:
        raise SettingsWrong(f"{name} names {file}, which holds no text: check its path.") from None
    except ValueError:
        raise SettingsWrong(f"{name} holds a NUL character, which no path can hold.") from None
    if not text:
        raise SettingsWrong(f"{name} names {file}, which is empty: write what it should hold into it.")
    return text


def _nobody() -> str:
    return f"this user (id {os.geteuid()})"
