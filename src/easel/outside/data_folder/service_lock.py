"""Allows one `easel serve` per data folder: a locked file that says which process holds the lock.

The lock is released when the process ends, for any reason. It has no effect if the folder is not writable, or if
machines share it over a network file system without locks.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from easel.domain.errors import Unusable

_FILE: Final = "serve.lock"
_CONTENT_BYTES_MAX: Final = 4096


class AlreadyRunning(Unusable):
    """Another `easel serve` uses the data folder."""


class ServiceLock:
    """The lock on a data folder; see `held`."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def announce(self, address: str) -> None:
        """Write the service's address into the file, for processes that find the folder locked."""
        if self._descriptor is not None:
            _write(self._descriptor, f"{os.getpid()}\n{address}\n")


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[ServiceLock]:
    """Hold the lock of the data folder, which is created if it does not exist. Raises AlreadyRunning."""
    descriptor = _opened(data_dir)
    try:
        if descriptor is not None:
            _lock(descriptor, data_dir)
            _write(descriptor, f"{os.getpid()}\n")
        yield ServiceLock(descriptor)
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def announced_address(data_dir: Path) -> str | None:
    """The address of the service that holds the lock. None if none holds it, or it cannot be read.

    A service that was killed leaves its address behind.
    """
    try:
        lines = (data_dir / _FILE).read_bytes()[:_CONTENT_BYTES_MAX].decode(errors="replace").split("\n")
    except OSError:
        return None
    return lines[1] if len(lines) > 2 and lines[1] else None


def _opened(data_dir: Path) -> int | None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None  # the first use of the folder reports what is wrong with it


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lines = os.pread(descriptor, _CONTENT_BYTES_MAX, 0).decode(errors="replace").split("\n")
        pid, address = [*lines, "", ""][:2]
        who = f"process {pid}" if pid else "another process"
        where = f"at {address}" if address else "which is still starting"
        raise AlreadyRunning(
            f"Easel is already running on {data_dir}: {who}, {where}. Use it, stop it first, or choose another data folder "
            "(EASEL_DATA_DIR)."
        ) from None
    except OSError:
        return  # a file system without locks


def _write(descriptor: int, text: str) -> None:
    with contextlib.suppress(OSError):  # even on a full disk, the lock itself holds
        os.pwrite(descriptor, text.encode(), 0)
        os.ftruncate(descriptor, len(text.encode()))
