"""Writes pictures to a folder, and explains why a folder fails.

obstore does not flush the files that it writes, so this module writes them. When `write` returns, a loss of power
loses neither the picture nor its name:

1. The bytes go into a file with a name of its own, and are flushed (`fdatasync`).
2. That file gets the picture's name. If power fails now, the name is there or not, but never without the bytes. A
   picture of that name that was there before is not harmed.
3. The folder of the name is flushed (`fsync`). Only then is the task completed.

Names that appear at the same time are in different folders, so their flushes cannot be shared here; the file system's
journal writes those that are waiting together.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import LocalStore

from easel.outside import durable_file

_STAGING: Final = ".staging"
_STAGED_LIFETIME_S: Final = 3600
"""A staged file this old was left by a killed writer, because every put ends much sooner."""

_FAULTS: Final[Mapping[int, str]] = {
    errno.EACCES: "permission denied; change the folder's owner or mode",
    errno.EPERM: "permission denied; change the folder's owner or mode",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this process or file system may write",
    errno.ENOENT: "the folder is missing; was it removed or unmounted?",
    errno.ENOTDIR: "it is not a folder",
    errno.EEXIST: "it is not a folder",
    errno.ELOOP: "it is a symbolic link that leads back to itself",
    errno.ENAMETOOLONG: "its path is too long",
    errno.EXDEV: "its parts lie on different file systems",
}
"""Errors that a retry does not fix, in words for the operator."""


class PictureFolder:
    """One folder. Its methods block, and are safe for several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._flushed: set[Path] = set()

    def open(self) -> LocalStore:
        """Create the folder if necessary, and return a store for reading it. Raises OSError and obstore's BaseError."""
        durable_file.make_folder(self.path)
        return LocalStore(self.path)

    def require_folder(self) -> None:
        """Raise OSError if the folder does not exist."""
        self.path.stat()

    def write(self, name: str, data: bytes) -> None:
        """Write a picture durably, replacing one of the same name. Raises OSError."""
        target = self.path / name
        staging = self.path / _STAGING
        try:
            self._make(staging, target.parent, made=self._flushed)
            durable_file.replace(target, data, staging=staging)
        except FileNotFoundError:
            # One of the folders was removed since this process made it.
            self._make(staging, target.parent, made=frozenset())
            durable_file.replace(target, data, staging=staging)

    def remove(self, name: str) -> None:
        """Delete a picture durably, if there is one of that name. Raises OSError."""
        target = self.path / name
        try:
            durable_file.remove(target)
        except FileNotFoundError:
            self.require_folder()

    def _make(self, *folders: Path, made: Set[Path]) -> None:
        """Create those folders that were not made yet, durably."""
        # Each process flushes once itself: another process may have created the folder and not flushed it yet.
        for folder in folders:
            if folder not in made:
                folder.mkdir(mode=0o700, exist_ok=True)
                durable_file.flush_folder(self.path)
                if folder.name == _STAGING:
                    _clear_staging(folder)
                self._flushed.add(folder)


def _clear_staging(staging: Path) -> None:
    # Ages are measured with the file system's clock, which on a network share is not this machine's.
    with tempfile.NamedTemporaryFile(dir=staging) as probe:
        now_s = os.fstat(probe.fileno()).st_mtime
        for path in staging.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if now_s - path.stat().st_mtime > _STAGED_LIFETIME_S:
                    path.unlink()


def folder_diagnosis(error: OSError | BaseError) -> tuple[str, bool]:
    """Why a folder failed, in words for the operator, and whether a retry is pointless."""
    if isinstance(error, PermissionDeniedError | PermissionError):
        return _FAULTS[errno.EACCES], True
    if isinstance(error, OSError) and error.errno is not None:
        known = _FAULTS.get(error.errno)
        return known or os.strerror(error.errno), known is not None
    return "its file system reported an error", False
