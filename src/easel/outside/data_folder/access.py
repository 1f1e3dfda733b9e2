"""Explains why this process's user cannot use or create a data folder: a file, a dangling link, a missing permission.

This module creates nothing. A folder that passes the check may still be unwritable: the disk may be full, and file
systems may have rules of their own.
"""

import os
import pwd
import stat
from pathlib import Path
from typing import Final

NAME_ANOTHER: Final = "choose another folder with EASEL_DATA_DIR or --data-dir"
_ALL: Final = os.R_OK | os.W_OK | os.X_OK
_SYSTEM_KNOWS_EFFECTIVE: Final = os.access in os.supports_effective_ids


def access_problem(data_dir: Path) -> str | None:
    """A sentence for the operator, or None if the folder can be used or created."""
    try:
        found = _found(data_dir)
        if found is None:
            return _creation_problem(data_dir)
        if not stat.S_ISDIR(found.st_mode):
            return f"The data folder {data_dir} is a file: {NAME_ANOTHER}."
        if not _has_access(data_dir):
            return f"The data folder {data_dir} is not writable for {_user()}: {_remedy(data_dir, found)}"
    except OSError as error:
        return f"The data folder {data_dir} is not accessible to {_user()} ({error.strerror}): {NAME_ANOTHER}."
    return None


def _creation_problem(data_dir: Path) -> str | None:
    for path in (data_dir, *data_dir.parents):
        found = _found(path)
        if found is None:
            if path.is_symlink():
                which = "is" if path == data_dir else f"cannot be created: {path} is"
                return f"The data folder {data_dir} {which} a link to {path.readlink()}, which does not exist: {NAME_ANOTHER}."
            continue
        if not stat.S_ISDIR(found.st_mode):
            return f"The data folder {data_dir} cannot be created, because {path} is a file: {NAME_ANOTHER}."
        if not _has_access(path, os.W_OK | os.X_OK):
            return (
                f"The data folder {data_dir} does not exist, and {_user()} cannot create it in {path}: {NAME_ANOTHER}."
            )
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
        return f"its file system is read-only. Make it writable, or {NAME_ANOTHER}."
    if found.st_uid == os.geteuid():
        return f"run `chmod u+rwx {folder}`, or {NAME_ANOTHER}."
    return f"it belongs to {_user_of(found.st_uid)}. Run Easel as that user, or {NAME_ANOTHER}."


def _user() -> str:
    return _user_of(os.geteuid())


def _user_of(user_id: int) -> str:
    try:
        return f"user {pwd.getpwuid(user_id).pw_name}"
    except KeyError:
        return f"user {user_id}"
