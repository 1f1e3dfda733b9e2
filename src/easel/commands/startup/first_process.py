"""Reaps orphans if this process is the first of its PID namespace, as in a container.

The service then runs in a child process, so that reaping never takes the exit status of a child that the service itself
waits for. The first process passes signals on to that child and ends when it ends.
"""

import contextlib
import os
import signal
import sys
from typing import Final

FIRST: Final = 1
_FORWARDED: Final = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT,
    signal.SIGWINCH,
)  # fmt: skip


def fork_if_first_process() -> None:
    """If this is the first process of a namespace, continue in a child. The first process itself never returns.

    Call this before any thread exists.
    """
    if os.getpid() != FIRST:
        return
    # Blocked before the fork, so that no signal is lost before the first wait.
    watched = {*_FORWARDED, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        # In its own session, so that Ctrl-C reaches only the first process, which forwards it once.
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
    """Collect all exit statuses. Returns that of `child` if it has ended, negative if a signal ended it."""
    found: int | None = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            if ended[0] == child:
                found = os.waitstatus_to_exitcode(ended[1])
    return found
