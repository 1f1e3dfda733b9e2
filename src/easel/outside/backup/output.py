"""Where a backup goes to and comes from: a file of its owner's alone, or a stream.

On Linux the file has no name until it is whole and on the disk, so whatever ends the process before leaves nothing.
Where the system or the file system has no such files (macOS, some network file systems), a partial file stands beside
it meanwhile. The secret is written into that last, when all else is on the disk (`Output.is_secret_last`), and the next
backup of the same name removes what a killed one left.
"""

import contextlib
import fcntl
import glob
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from easel.outside.backup.file import BackupUnusable

_UNFINISHED: Final = "unfinished"
_TMPFILE: Final[int | None] = getattr(os, "O_TMPFILE", None)


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write a backup to. `is_secret_last` says that it can be found before it is whole."""

    file: BinaryIO
    is_secret_last: bool = False


@contextlib.contextmanager
def written(path: Path, *, may_be_nameless: bool = True) -> Iterator[Output]:
    """A file that only its owner may read, and that gets its name when it is whole and on the disk.

    Raises BackupUnusable, also where there is a file of that name.
    """
    if path.exists() or path.is_symlink():
        raise _taken(path)
    with _told(path):
        _remove_left_over(path)
        nameless = _open_nameless(path.parent) if may_be_nameless else None
        with _named_at_end(path, nameless) if nameless is not None else _renamed_at_end(path) as output:
            yield output
            output.file.flush()
            os.fsync(output.file.fileno())
        _flush_folder(path.parent)


@contextlib.contextmanager
def streamed(output: BinaryIO) -> Iterator[Output]:
    """A file that is open already, such as standard output, for a backup that somebody else keeps."""
    if output.isatty():
        raise BackupUnusable("A backup is no text for a terminal: send it to a file or a program.")
    with _told("standard output"):
        yield Output(output)
        output.flush()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, to be read from its beginning."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupUnusable(f"The backup {path} cannot be read: {error.strerror}.") from None
    with file:
        yield file


def _open_nameless(folder: Path) -> int | None:
    """A file in the folder that has no name; None where there can be none, or it could not be given one."""
    if _TMPFILE is None:
        return None
    try:
        descriptor = os.open(folder, os.O_WRONLY | os.O_CLOEXEC | _TMPFILE, 0o600)
    except OSError:
        return None  # where the folder is at fault, the other way says so
    if _own_link(descriptor).exists():
        return descriptor
    os.close(descriptor)
    return None


def _own_link(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


@contextlib.contextmanager
def _named_at_end(path: Path, descriptor: int) -> Iterator[Output]:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield Output(file)
            # With a folder named, the link is followed to the file; without, the link itself would get another name.
            os.link(_own_link(descriptor), path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        raise _taken(path) from None
    finally:
        os.close(folder)


@contextlib.contextmanager
def _renamed_at_end(path: Path) -> Iterator[Output]:
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.{_UNFINISHED}")
    descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # As long as it is locked, somebody writes it.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Output(file, is_secret_last=True)
            if path.exists():
                raise _taken(path)
            aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


def _remove_left_over(path: Path) -> None:
    """Remove what a killed backup of this name has left beside it."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.{_UNFINISHED}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _told(place: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupUnusable(f"The backup cannot be written to {place}: {error.strerror or error}.") from None


def _taken(path: Path) -> BackupUnusable:
    return BackupUnusable(f"There is a file {path} already: name another, or move it away.")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
