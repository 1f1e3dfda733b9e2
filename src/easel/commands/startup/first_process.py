"""What a process owes as the first of its PID namespace, as in a container: to take in the orphans of all others.

The service then runs in a child, so that the two jobs do not get into each other's way: whoever waits for a child of
its own is never robbed of its exit status. Signals are handed on, and the child's end is this process's end.
"""

import contextlib
import os
import signal
import sys
from typing import Final

FIRST: Final = 1
_HANDED_ON: Final = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT,
    signal.SIGWINCH,
)  # fmt: skip


def take_in_orphans() -> None:
    """Go on in a child where this is a namespace's first process, which itself never returns from here.

    To be called before there is a thread.
    """
    if os.getpid() != FIRST:
        return
    # Blocked before the fork, so that none gets lost between it and the first wait.
    watched = {*_HANDED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        # In a session of its own a Ctrl-C reaches the first process alone, which hands it on once.
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    status: int | None = None
    while status is None:
        number = signal.sigwait(watched)
        if number == signal.SIGCHLD:
            status = _reaped(child)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)
    sys.stdout.flush()
    os._exit(status if status >= 0 else 128 - status)


def _reaped(child: int) -> int | None:
    """Take every exit status that there is; that of `child` when it has ended, negative for a signal."""
    found: int | None = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            if ended[0] == child:
                found = os.waitstatus_to_exitcode(ended[1])
    return found
