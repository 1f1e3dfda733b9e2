"""Handles Ctrl-C: a command ends silently, with the exit status that shells expect.

Commands that handle interruptions themselves, such as `easel serve`, are not affected. This module imports almost
nothing, because it must be loaded before everything that takes long to import.
"""

import os
import signal
import sys

EXIT_INTERRUPTED = 128 + signal.SIGINT


def is_command() -> bool:
    """Whether this process runs a command of Easel rather than a program that imports Easel.

    Call this while the package is being imported: at that time `python -m` has not set the module's file yet.
    """
    return sys.argv[0] == "-m" or sys.argv[0].rpartition("/")[2] in {"easel", "easel-server"}


def leave_at_once() -> None:
    """Exit immediately at Ctrl-C, as long as there is nothing to release.

    An exception in the middle of an import would print a traceback or be swallowed.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, so that resources acquired from here on are released."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    os._exit(EXIT_INTERRUPTED)
