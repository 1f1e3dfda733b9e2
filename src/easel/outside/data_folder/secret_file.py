"""The secret of a data folder: one file that only its owner may read.

It is created once, before the folder's database. A database whose secret is missing is refused, because a new secret
would silently invalidate every key and link. `easel secret reset` replaces a lost secret.
"""

import os
import secrets
import stat
from datetime import datetime
from pathlib import Path
from typing import Final

from easel.domain.errors import Unusable
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.outside import durable_file
from easel.outside.data_folder.folder import holds_database, make_data_folder

_OTHERS: Final = 0o077
_LOSS: Final = (
    "restore the file from a backup, or, if it is lost, run `easel secret reset`, which revokes every API key"
)


class SecretUnusable(Unusable):
    """The secret is lost, damaged or unreadable."""


def secret_file(data_dir: Path) -> Path:
    """The path of the secret."""
    return data_dir / "secret"


def ensure_secret(data_dir: Path) -> Secret:
    """The data folder's secret, created if the folder has no database yet. Raises SecretUnusable,
    DataFolderUnusable."""
    found = find_secret(data_dir)
    if found is not None:
        return found
    file = secret_file(data_dir)
    make_data_folder(data_dir)
    try:
        write_secret(data_dir, secrets.token_hex(32))
    except OSError as error:
        raise SecretUnusable(f"The secret {file} cannot be created ({error.strerror}).") from None
    made = read_secret(data_dir)
    assert made is not None
    return made


def find_secret(data_dir: Path) -> Secret | None:
    """The data folder's secret; None if it has neither secret nor database. Raises SecretUnusable."""
    # Checked first: a database that another process creates meanwhile has its secret already.
    had_database = holds_database(data_dir)
    found = read_secret(data_dir)
    if found is None and had_database:
        raise SecretUnusable(
            f"The secret {secret_file(data_dir)} is missing, but the database next to it needs it: {_LOSS}. "
            "If EASEL_SECRET or EASEL_SECRET_FILE provided it, set that again."
        )
    return found


def read_secret(data_dir: Path) -> Secret | None:
    """The secret in the file, or None if there is no file. Raises SecretUnusable."""
    file = secret_file(data_dir)
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise SecretUnusable(f"The secret {file} is a folder: {_LOSS}.") from None
    except UnicodeDecodeError:
        raise SecretUnusable(f"The secret {file} is not a text file: {_LOSS}.") from None
    except OSError as error:
        raise SecretUnusable(
            f"The secret {file} cannot be read ({error.strerror}): check its owner and mode."
        ) from None
    if not text:
        raise SecretUnusable(f"The secret {file} is empty: {_LOSS}.")
    if len(text) < SECRET_CHARACTERS_MIN:
        raise SecretUnusable(f"The secret {file} is truncated: {_LOSS}.")
    return Secret(text, source=f"The secret {file}", is_kept=True)


def write_secret(data_dir: Path, text: str) -> None:
    """Write a secret unless there is one. If two processes try at once, one of them wins. Raises OSError."""
    # The database will hold this secret's fingerprint, so the file must survive any crash that the database survives.
    durable_file.create(secret_file(data_dir), text.encode())


def replace_secret(data_dir: Path, now: datetime) -> tuple[Secret, Path | None]:
    """Create a new secret, and keep the old file under another name.

    Returns the secret and the path of the old file, if there was one. Raises SecretUnusable.
    """
    file = secret_file(data_dir)
    aside: Path | None = file.with_name(f"{file.name}.replaced-{now:%Y%m%dT%H%M%S}")
    try:
        try:
            assert aside is not None
            file.rename(aside)
            aside.chmod(0o600)
        except FileNotFoundError:
            aside = None
        write_secret(data_dir, secrets.token_hex(32))
    except OSError as error:
        raise SecretUnusable(f"The secret {file} cannot be replaced ({error.strerror}).") from None
    made = read_secret(data_dir)
    assert made is not None
    return made, aside


def exposure(data_dir: Path) -> str | None:
    """A sentence about who else may read the secret, and what to do; None if only its owner may."""
    file = secret_file(data_dir)
    try:
        found = file.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None  # `read_secret` reports it
    if found.st_uid not in {0, os.geteuid()}:
        return f"The secret {file} belongs to another user (id {found.st_uid}): run `chown {os.geteuid()} {file}`."
    mode = stat.S_IMODE(found.st_mode)
    if not mode & _OTHERS:
        return None
    return (
        f"The secret {file} can be read by other users of this machine (mode {mode:04o}), who could forge links and "
        f"callbacks with it: run `chmod 600 {file}`, and `easel secret reset` if somebody may have read it."
    )
