"""Opens the file or stream that a backup is written to or read from. Only its owner may read a new file.

A backup appears under its name when it is complete and on the disk. If the file is visible before then
(`durable_file.NewFile.is_visible`), the secret is written into it last (`Output.is_secret_last`).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from easel.outside import durable_file
from easel.outside.backup.archive import BackupUnusable


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write a backup to. With `is_secret_last`, the secret is written when everything else is on the disk."""

    file: BinaryIO
    is_secret_last: bool = False


@contextlib.contextmanager
def created(path: Path, *, may_be_nameless: bool = True) -> Iterator[Output]:
    """A new file, which gets its name at the end of the block. Raises BackupUnusable, also if the name is taken."""
    try:
        with _write_errors_explained(path), durable_file.new_file(path, may_be_nameless=may_be_nameless) as new:
            yield Output(new.file, is_secret_last=new.is_visible)
    except FileExistsError:
        raise BackupUnusable(f"The file {path} exists already: choose another name, or move it away.") from None


@contextlib.contextmanager
def streamed(output: BinaryIO) -> Iterator[Output]:
    """A stream that is open already, such as standard output. Raises BackupUnusable, also for a terminal."""
    if output.isatty():
        raise BackupUnusable("A backup is not text for a terminal: send it to a file or a program.")
    with _write_errors_explained("standard output"):
        yield Output(output)
        output.flush()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, to be read from its beginning. Raises BackupUnusable."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupUnusable(f"The backup {path} cannot be read: {error.strerror}.") from None
    with file:
        yield file


@contextlib.contextmanager
def _write_errors_explained(place: object) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise BackupUnusable(f"The backup cannot be written to {place}: {error.strerror or error}.") from None
