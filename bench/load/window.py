"""The window of a measurement. Its start and end are printed to standard output, so that the parent can measure the
CPU time of other processes over the same window."""

import sys
import time
from typing import Final

BEGIN: Final = b"begin\n"
END: Final = b"end\n"


class Window:
    """Opened and closed once."""

    def __init__(self) -> None:
        self._opened_s = self._closed_s = 0.0
        self._cpu_s = 0.0

    def open(self) -> float:
        """Begin; the time on the clock that all times here are of."""
        self._cpu_s = -time.process_time()
        self._opened_s = time.perf_counter()
        _say(BEGIN)
        return self._opened_s

    def close(self) -> None:
        """End."""
        self._closed_s = time.perf_counter()
        self._cpu_s += time.process_time()
        _say(END)

    @property
    def own_cpu(self) -> float:
        """The share of a core that this process used meanwhile; 0 where nothing was measured."""
        seconds = self._closed_s - self._opened_s
        return self._cpu_s / seconds if seconds > 0 else 0.0


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
