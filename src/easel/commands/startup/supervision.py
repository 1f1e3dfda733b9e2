"""For children of a supervisor: tells the supervisor that a child is ready, and stops the child when it is gone."""

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
    with contextlib.suppress(BrokenPipeError):  # the supervisor is gone
        sys.stdout.write(READY.decode())
        sys.stdout.flush()


def stop_when_abandoned(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input closes, as it does when the supervisor ends for any reason."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        # Not through sys.stdin: a waiting thread would hold its lock when the interpreter shuts down.
        while os.read(STANDARD_INPUT, 1):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has already ended
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True, name="supervisor").start()
