"""Why a data folder can neither be used nor made by this process's user: a file, a link to nowhere, a missing right.

It looks and makes nothing. It does not promise that a folder without a fault can be filled: a disk may be full, and a
file system may have rules of its own.
"""

import os
import pwd
import stat
from pathlib import Path
from typing import Final

NAME_ANOTHER: Final = "name another with EASEL_DATA_DIR or --data-dir"
_ALL: Final = os.R_OK | os.W_OK | os.X_OK
_SYSTEM_KNOWS_EFFECTIVE: Final = os.access in os.supports_effective_ids


def access_problem(data_dir: Path) -> str | None:
    """A sentence for the operator; None where the folder can be used, or made."""
    try:
        found = _found(data_dir)
        if found is None:
            return _creation_problem(data_dir)
        if not stat.S_ISDIR(found.st_mode):
            return f"The data folder {data_dir} is a file: {NAME_ANOTHER}."
        if not _has_access(data_dir):
            return f"The data folder {data_dir} cannot be written by {_user()}: {_remedy(data_dir, found)}"
    except OSError as error:
        return f"The data folder {data_dir} cannot be looked into by {_user()} ({error.strerror}): {NAME_ANOTHER}."
    return None


def _creation_problem(data_dir: Path) -> str | None:
    for path in (data_dir, *data_dir.parents):
        found = _found(path)
        if found is None:
            if path.is_symlink():
                which = "is" if path == data_dir else f"cannot be made, as {path} is"
                return f"The data folder {data_dir} {which} a link to {path.readlink()}, which is not there: {NAME_ANOTHER}."
            continue
        if not stat.S_ISDIR(found.st_mode):
            return f"The data folder {data_dir} cannot be made, as {path} is a file: {NAME_ANOTHER}."
        if not _has_access(path, os.W_OK | os.X_OK):
            return f"The data folder {data_dir} is not there and cannot be made by {_user()} in {path}: {NAME_ANOTHER}."
        return None
    return None


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _has_access(folder: Path, rights: int = _ALL) -> bool:
    return os.access(folder, rights, effective_ids=_SYSTEM_KNOWS_EFFECTIVE)


def _remedy(folder: Path, found: os.stat_result) -> str:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"its file system is read-only. Make that writable, or {NAME_ANOTHER}."
    if found.st_uid == os.geteuid():
        return f"type `chmod u+rwx {folder}`, or {NAME_ANOTHER}."
    return f"it belongs to {_user_of(found.st_uid)}. Run Easel as that user, or {NAME_ANOTHER}."


def _user() -> str:
    return _user_of(os.geteuid())


def _user_of(user_id: int) -> str:
    try:
        return f"user {pwd.getpwuid(user_id).pw_name}"
    except KeyError:
        return f"user {user_id}"
