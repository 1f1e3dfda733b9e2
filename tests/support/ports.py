"""Free ports on loopback for tests."""

import itertools
import os
import socket
from typing import Final

_BELOW_EPHEMERAL: Final = range(10_000, 32_000)
"""Linux assigns ports from 32768 and macOS from 49152 to sockets that ask for any, so those never take one of these."""
_PER_PROCESS: Final = 200
_slices = len(_BELOW_EPHEMERAL) // _PER_PROCESS
_numbers = itertools.count()


def free_port() -> int:
    """A port that nothing listens on. Test processes that run side by side draw from different ranges."""
    first = os.getpid() % _slices * _PER_PROCESS
    for _ in range(_PER_PROCESS):
        port = _BELOW_EPHEMERAL[first + next(_numbers) % _PER_PROCESS]
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("every port of this process is taken")
