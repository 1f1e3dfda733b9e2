"""What Ctrl-C does to a command: it ends without a word, with the status that shells expect.

Where a command handles an interruption itself, as `easel serve` does, this has no part in it. It imports next to nothing,
since it must come before all that takes long to import.
"""

import os
import signal
import sys

EXIT_INTERRUPTED = 128 + signal.SIGINT


def is_command() -> bool:
    """Whether this process runs a command of Easel, as opposed to a program that imports Easel.

    To be asked while the package is being imported: `python -m` has not told the module's file by then.
    """
    return sys.argv[0] == "-m" or sys.argv[0].rpartition("/")[2] == "easel"


def leave_at_once() -> None:
    """End at Ctrl-C while nothing has been taken that must be given back.

    An exception in the middle of an import would show as a traceback, or be swallowed there.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_again() -> None:
    """Have Ctrl-C raise KeyboardInterrupt again, so that what is taken from here on is given back."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    os._exit(EXIT_INTERRUPTED)
