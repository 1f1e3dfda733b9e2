"""Waits until something becomes true, however busy the machine is."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 60.0
"""How long tests wait for what comes about within a second or two on an idle machine."""
_Answer = TypeVar("_Answer")


def eventually(ask: Callable[[], _Answer], timeout_s: float = PATIENCE_S, every_s: float = 0.05) -> _Answer:
    """Call `ask` until its answer is true, and return that answer. Fails if there is none in time."""
    give_up_s = time.monotonic() + timeout_s
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < give_up_s, f"still {answer!r} after {timeout_s} s"
        time.sleep(every_s)
