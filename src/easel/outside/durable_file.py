"""Writes files that survive a crash or a power failure. A file is complete or absent, and on disk when a call returns.

The data is written without its final name and flushed. Then the file gets that name, and the folder is flushed, because
a power failure loses a name that is not on disk yet. Every function raises OSError on failure. On macOS the drive's own
cache is not flushed.
"""

import contextlib
import errno
import fcntl
import glob
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_UNFINISHED: Final = "unfinished"
_TMPFILE: Final[int | None] = getattr(os, "O_TMPFILE", None)
_flush_data: Final = getattr(os, "fdatasync", os.fsync)
"""Flushes a file's bytes and what is needed to read them. macOS has no call for this."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def replace(target: Path, data: bytes, *, staging: Path) -> None:
    """Write a file that only its owner may read, replacing one of the same name. `staging` is a folder for unfinished
    files on the same file system.

    Pictures are written by this function, so it makes no system call that is not needed.
    """
    staged = staging / secrets.token_hex(16)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write(descriptor, data)
            _flush_data(descriptor)
        finally:
            os.close(descriptor)
        staged.rename(target)
    except BaseException:
        with contextlib.suppress(OSError):
            staged.unlink()
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
    """Delete a file durably: no crash brings it back."""
    target.unlink()
    flush_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and any missing parents, which only their owner may use."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        flush_folder(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _write(descriptor: int, data: bytes) -> None:
    """Write all data: one call may write only a part, for example when the disk becomes full."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def flush(file: BinaryIO) -> None:
    """Flush an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file being written. `is_visible` says whether others can find it before it is complete."""

    file: BinaryIO
    is_visible: bool


@contextlib.contextmanager
def new_file(path: Path, *, may_be_nameless: bool = True) -> Iterator[NewFile]:
    """A file that only its owner may read. It gets its name at the end of the block, or is gone if the block raises.

    On Linux the file has no name until then, so a process that dies leaves nothing behind. Where that is not possible
    (macOS, some network file systems), an unfinished file lies next to `path`. If the process is killed, the next
    `new_file` of the same path removes it. Raises FileExistsError.
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
    """A file without a name in the folder; None if the system cannot create one, or could not name it later."""
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
            # Python follows the link to the file only with folder descriptors. Otherwise it would link the link.
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
