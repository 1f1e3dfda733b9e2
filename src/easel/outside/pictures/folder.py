"""The writing half of a folder of pictures, which obstore does not flush to disk, and why a folder fails.

A name appears only when its bytes are on the disk, and so does every folder above it that was new. On macOS the
drive's own cache is not flushed.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import LocalStore

from easel.outside import durable_file

_STAGING: Final = ".staging"
_STAGED_LIFETIME_S: Final = 3600
"""A staged file this old belongs to a writer that was killed: a put ends, or is given up, long before."""

_FAULTS: Final[Mapping[int, str]] = {
    errno.EACCES: "this user may not do that there; change the folder's owner or mode",
    errno.EPERM: "this user may not do that there; change the folder's owner or mode",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this process or file system may write",
    errno.ENOENT: "the folder is missing; was it removed or unmounted?",
    errno.ENOTDIR: "it is not a folder",
    errno.EEXIST: "it is not a folder",
    errno.ELOOP: "its links run in a circle",
    errno.ENAMETOOLONG: "its path is too long",
    errno.EXDEV: "its parts lie on different file systems",
}
"""What trying again does not mend, in the operator's words."""


class PictureFolder:
    """One folder. Blocking; safe for several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._flushed: set[Path] = set()

    def open(self) -> LocalStore:
        """The reading half, with the folder made where it is missing. Raises OSError, and obstore's BaseError."""
        durable_file.make_folder(self.path)
        return LocalStore(self.path)

    def assure(self) -> None:
        """Raises OSError when the folder is not there."""
        self.path.stat()

    def write(self, name: str, data: bytes) -> None:
        """Stage, flush, rename, flush: a name appears only when its bytes are on the disk."""
        target = self.path / name
        staging = self._ready(self.path / _STAGING)
        self._ready(target.parent)
        durable_file.replace(target, data, staging=staging)

    def remove(self, name: str) -> None:
        """Delete and flush, so that no crash brings the picture back."""
        target = self.path / name
        try:
            durable_file.remove(target)
        except FileNotFoundError:
            self.assure()

    def _ready(self, folder: Path) -> Path:
        # Remembered per process, not taken from the disk: another process may have made it and not flushed it yet.
        if folder not in self._flushed or not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            durable_file.flush_folder(self.path)
            if folder.name == _STAGING:
                _clear_staging(folder)
            self._flushed.add(folder)
        return folder


def _clear_staging(staging: Path) -> None:
    # Ages are told by the file system's own clock, which on a network share is not this machine's.
    with tempfile.NamedTemporaryFile(dir=staging) as probe:
        now_s = os.fstat(probe.fileno()).st_mtime
        for path in staging.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if now_s - path.stat().st_mtime > _STAGED_LIFETIME_S:
                    path.unlink()


def folder_diagnosis(error: OSError | BaseError) -> tuple[str, bool]:
    """Why it failed, in words for the operator, and whether trying again is of no use."""
    if isinstance(error, PermissionDeniedError | PermissionError):
        return _FAULTS[errno.EACCES], True
    if isinstance(error, OSError) and error.errno is not None:
        known = _FAULTS.get(error.errno)
        return known or os.strerror(error.errno), known is not None
    return "its file system answered with an error", False
