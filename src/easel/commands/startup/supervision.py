"""What a process that `easel serve` started owes it: to say when it is ready, and to stop when it is gone."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from easel.supervisor import READY

STANDARD_INPUT: Final = 0


def say_ready() -> None:
    """Print the line that the supervisor waits for."""
    with contextlib.suppress(BrokenPipeError):  # nobody is left to be told
        sys.stdout.write(READY.decode())
        sys.stdout.flush()


def when_abandoned(stop: Callable[[], None]) -> None:
    """Stop when the supervisor's end of our standard input closes, which it does however the supervisor ends."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        # Not through sys.stdin, whose lock a waiting thread would hold when the interpreter ends.
        while os.read(STANDARD_INPUT, 1):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True, name="supervisor").start()
