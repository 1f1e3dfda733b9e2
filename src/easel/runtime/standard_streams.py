"""Replaces standard streams that were closed when this process started.

A closed stream becomes `/dev/null`. Otherwise the next file or socket would get its descriptor, and logs would be
written into it. Output to such a stream is lost.
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
    """Open the closed streams. Call this before anything else stays open."""
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
    """Whether output to this descriptor is lost, for callers that must not lose it."""
    return descriptor in _were_closed


def is_output_fault(error: OSError) -> bool:
    """Whether an error that a command did not handle means that standard output cannot be written.

    Such an error names no file. Commands handle the errors of the files that they write.
    """
    return error.filename is None and error.errno in _FULL


def drop_output() -> None:
    """Stop printing. Otherwise Python would try to flush at exit and report the error again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
