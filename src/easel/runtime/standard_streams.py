"""Standard input, output and error, where whoever started this process left some of them closed.

A closed one is replaced by nothing (`/dev/null`): else the next file or socket that is opened would take its number, and
a log would be written into it. What was to be told there is lost.
"""

import errno
import os
import sys
from typing import Final

OUTPUT: Final = 1
_STANDARD: Final = (0, OUTPUT, 2)
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_were_closed: set[int] = set()


def open_closed() -> None:
    """Open those that are closed. Called before anything else is opened for long."""
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            assert opened == descriptor, "the lowest free number is this one, as those below are open"
            os.set_inheritable(descriptor, True)
            _were_closed.add(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def was_closed(descriptor: int) -> bool:
    """Whether what is written there is lost, for whoever must not lose it."""
    return descriptor in _were_closed


def is_output_fault(error: OSError) -> bool:
    """Whether an error that a command left to others says that standard output takes no more.

    It names no file, as errors of files do, and commands handle those of what they write themselves.
    """
    return error.filename is None and error.errno in _FULL


def drop_output() -> None:
    """Print no more. Otherwise Python would try once more, and complain, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
