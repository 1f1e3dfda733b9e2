"""Free ports on loopback for tests."""

import atexit
import fcntl
import itertools
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

_BELOW_EPHEMERAL: Final = range(10_000, 32_000)
"""Linux assigns ports from 32768 and macOS from 49152 to sockets that ask for any, so those never take one of these."""
_PER_PROCESS: Final = 200
_slices = len(_BELOW_EPHEMERAL) // _PER_PROCESS
_numbers = itertools.count()
_first: list[int] = []


def free_port() -> int:
    """A port that nothing listens on. It stays free until the caller takes it: test processes that run at the same time
    draw from different ranges, and each comes back to a port after all others of its range."""
    if not _first:
        _first.append(_own_slice() * _PER_PROCESS)
    for _ in range(_PER_PROCESS):
        port = _BELOW_EPHEMERAL[_first[0] + next(_numbers) % _PER_PROCESS]
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("every port of this process is taken")


def _own_slice() -> int:
    """The number of a range that no other process has, by a lock that lasts as long as this process."""
    for number in range(os.getpid(), os.getpid() + _slices):
        path = Path(tempfile.gettempdir()) / f"easel-test-ports-{os.geteuid()}-{number % _slices}.lock"
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        atexit.register(file.close)
        return number % _slices
    raise AssertionError("every range of ports is taken")
