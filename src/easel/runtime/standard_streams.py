"""Replaces standard streams that were closed when this process started.

A closed stream becomes `/dev/null`, and output to it is lost. Otherwise the next file or socket to be opened would get
the stream's descriptor, and log lines would be written into that file or socket.
"""

import errno
import os
import sys
from typing import Final

OUTPUT: Final = 1
_STANDARD: Final = (0, OUTPUT, 2)
_WRITE_ERRORS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_were_closed: set[int] = set()


def open_closed() -> None:
    """Open the closed streams. Call this before opening anything that stays open."""
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            assert opened == descriptor, "this is the lowest free descriptor, because the lower ones are open"
            os.set_inheritable(descriptor, True)
            _were_closed.add(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open for the lifetime of the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def was_closed(descriptor: int) -> bool:
    """Whether output to this descriptor is lost. For callers whose output must arrive."""
    return descriptor in _were_closed


def is_output_fault(error: OSError) -> bool:
    """Whether an unhandled error means that standard output cannot be written.

    Such an error names no file. Commands handle errors in the files that they write themselves.
    """
    return error.filename is None and error.errno in _WRITE_ERRORS


def drop_output() -> None:
    """Discard further output. Otherwise Python would flush at exit and report the error again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
