"""Writes files that survive a crash or a loss of power: whole or not at all, and on the disk when the call returns.

The data is written without its final name and flushed, then it gets that name, and last the folder is flushed, since a
name that only memory holds is lost. Everything raises OSError. On macOS the drive's own cache is not flushed.
"""

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_UNFINISHED: Final = "unfinished"
_TMPFILE: Final[int | None] = getattr(os, "O_TMPFILE", None)
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def replace(target: Path, data: bytes, *, staging: Path) -> None:
    """Write a file, over one of the same name. `staging` is a folder on the same file system for what is unfinished."""
    descriptor, staged = tempfile.mkstemp(dir=staging)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            flush(file)
        Path(staged).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(staged).unlink()
        raise
    flush_folder(target.parent)


def create(target: Path, data: bytes) -> None:
    """Write a file that only its owner may read; one that exists already stays as it is.

    When several processes create the same file, one of them wins. The file system must have hard links.
    """
    unfinished = target.with_name(f"{target.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            flush(file)
        with contextlib.suppress(FileExistsError):
            target.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    flush_folder(target.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or a folder whose content is on the disk already."""
    source.rename(target)
    flush_folder(target.parent)


def remove(target: Path) -> None:
    """Delete a file, so that no crash brings it back."""
    target.unlink()
    flush_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and missing folders above it, which only their owner may use."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        flush_folder(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def flush(file: BinaryIO) -> None:
    """Put what was written to an open file on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file being written. `is_visible` says that others can find it before it is complete."""

    file: BinaryIO
    is_visible: bool


@contextlib.contextmanager
def new_file(path: Path, *, may_be_nameless: bool = True) -> Iterator[NewFile]:
    """A file that only its owner may read. It gets its name at the end of the block, or is gone if the block raises.

    On Linux it has no name before, so that a process that dies leaves nothing behind. Where the system or the file
    system cannot do that (macOS, some network file systems), an unfinished file lies next to `path`, and the next
    `new_file` of the same path removes what a killed process left. Raises FileExistsError.
    """
    if path.exists() or path.is_symlink():
        raise _exists(path)
    _remove_left_over(path)
    nameless = _open_nameless(path.parent) if may_be_nameless else None
    with _linked_at_end(path, nameless) if nameless is not None else _renamed_at_end(path) as new:
        yield new
        flush(new.file)
    flush_folder(path.parent)


def _open_nameless(folder: Path) -> int | None:
    """A file in the folder that has no name; None where that is impossible, or the file could not be named later."""
    if _TMPFILE is None:
        return None
    try:
        descriptor = os.open(folder, os.O_WRONLY | os.O_CLOEXEC | _TMPFILE, 0o600)
    except OSError:
        return None  # if the folder is at fault, creating a named file says so
    if _own_link(descriptor).exists():
        return descriptor
    os.close(descriptor)
    return None


def _own_link(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


@contextlib.contextmanager
def _linked_at_end(path: Path, descriptor: int) -> Iterator[NewFile]:
    folder = os.open(path.parent, _FOLDER)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield NewFile(file, is_visible=False)
            # Only with folder descriptors does Python follow the link to the file; else the link itself is linked.
            os.link(_own_link(descriptor), path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _renamed_at_end(path: Path) -> Iterator[NewFile]:
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.{_UNFINISHED}")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # The lock tells others that this file is still being written.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield NewFile(file, is_visible=True)
            if path.exists():
                raise _exists(path)
            unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_left_over(path: Path) -> None:
    """Remove the unfinished files of this path whose writers were killed."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.{_UNFINISHED}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(descriptor)


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
