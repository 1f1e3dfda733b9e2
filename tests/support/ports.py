"""Ports of this machine for tests."""

import itertools
import os
import socket
from typing import Final

_BELOW_EPHEMERAL: Final = range(10_000, 32_000)
"""Linux gives ports from 32768 on, and macOS from 49152 on, to sockets that ask for any: none of those takes one of these."""
_PER_PROCESS: Final = 200
_slices = len(_BELOW_EPHEMERAL) // _PER_PROCESS
_numbers = itertools.count()


def free_port() -> int:
    """A port that nothing listens on, and that no other test process is given."""
    first = os.getpid() % _slices * _PER_PROCESS
    for _ in range(_PER_PROCESS):
        port = _BELOW_EPHEMERAL[first + next(_numbers) % _PER_PROCESS]
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("every port of this process is taken")
