"""The secret that a data folder keeps: one file, for its owner alone.

It is made once, before the folder's database, and never again: a database whose secret is gone is refused, since a new
secret would end every key and link in silence. Replacing it is a command of its own (`easel secret reset`).
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
    "put the file back from a backup, or, if it is lost for good, run `easel secret reset`, which ends every API key"
)


class SecretUnusable(Unusable):
    """The secret is lost or damaged; the message is a sentence for the operator."""


def secret_file(data_dir: Path) -> Path:
    """Where the data folder keeps its secret."""
    return data_dir / "secret"


def ensure_secret(data_dir: Path) -> Secret:
    """The data folder's own secret, made where the folder holds no database yet.

    Raises SecretUnusable, DataFolderUnusable.
    """
    found = find_secret(data_dir)
    if found is not None:
        return found
    file = secret_file(data_dir)
    make_data_folder(data_dir)
    try:
        write_secret(data_dir, secrets.token_hex(32))
    except OSError as error:
        raise SecretUnusable(f"The secret {file} cannot be made ({error.strerror}).") from None
    made = read_secret(data_dir)
    assert made is not None
    return made


def find_secret(data_dir: Path) -> Secret | None:
    """The data folder's own secret; None where it has none and holds no database. Raises SecretUnusable."""
    # Asked first: a database that another process makes meanwhile has its secret already.
    had_database = holds_database(data_dir)
    found = read_secret(data_dir)
    if found is None and had_database:
        raise SecretUnusable(
            f"The secret {secret_file(data_dir)} is gone, and the database beside it was set up with one: {_LOSS}. "
            "If it was given by EASEL_SECRET or EASEL_SECRET_FILE, set that again."
        )
    return found


def read_secret(data_dir: Path) -> Secret | None:
    """The secret in the file; None where there is no file. Raises SecretUnusable."""
    file = secret_file(data_dir)
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise SecretUnusable(f"The secret {file} is a folder: {_LOSS}.") from None
    except UnicodeDecodeError:
        raise SecretUnusable(f"The secret {file} is no text: {_LOSS}.") from None
    except OSError as error:
        raise SecretUnusable(
            f"The secret {file} cannot be read ({error.strerror}): check its owner and mode."
        ) from None
    if not text:
        raise SecretUnusable(f"The secret {file} is empty: {_LOSS}.")
    if len(text) < SECRET_CHARACTERS_MIN:
        raise SecretUnusable(f"The secret {file} is cut short: {_LOSS}.")
    return Secret(text, source=f"The secret {file}", is_kept=True)


def write_secret(data_dir: Path, text: str) -> None:
    """Write a secret aside and link it into place: of two processes one wins, and no reader ever sees half of it."""
    # The database will hold this secret's fingerprint, so the file must survive any crash that the database survives.
    durable_file.create(secret_file(data_dir), text.encode())


def replace_secret(data_dir: Path, now: datetime) -> tuple[Secret, Path | None]:
    """Make a new secret, and put what stood in its place aside; the new one, and where the other lies now.

    Raises SecretUnusable.
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
    """Who else than its owner may read the secret, and what to do, in a sentence; None where nobody may."""
    file = secret_file(data_dir)
    try:
        found = file.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None  # it is no secret; whoever reads it says so
    if found.st_uid not in {0, os.geteuid()}:
        return f"The secret {file} belongs to another user (id {found.st_uid}): type `chown {os.geteuid()} {file}`."
    mode = stat.S_IMODE(found.st_mode)
    if not mode & _OTHERS:
        return None
    return (
        f"The secret {file} can be read by other users of this machine (mode {mode:04o}), who could forge links and "
        f"callbacks with it: type `chmod 600 {file}`, and `easel secret reset` where somebody may have read it."
    )
