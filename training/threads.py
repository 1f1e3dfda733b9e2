"""Limits the threads of a training run on a machine that others use too."""

import os
import time
from pathlib import Path

import torch

LOOK_EVERY_S = 10.0


class Threads:
    """Uses fewer threads while others need the processor, because threads that wait for each other gain nothing."""

    def __init__(self) -> None:
        self._most = torch.get_num_threads()
        self._begin()

    def _begin(self) -> None:
        self._wall_s, self._own_s, self._idle_s = time.monotonic(), time.process_time(), _idle_s()

    def adapt(self) -> None:
        """Called between steps; looks every ten seconds."""
        wall_s = time.monotonic() - self._wall_s
        if self._most == 1 or wall_s < LOOK_EVERY_S:
            return
        idle = (_idle_s() - self._idle_s) / wall_s
        others = (os.cpu_count() or 1) - idle - (time.process_time() - self._own_s) / wall_s
        torch.set_num_threads(max(1, min(self._most, round((os.cpu_count() or 1) - others))))
        self._begin()


def _idle_s() -> float:
    """How long the processors have idled since the machine's start; for ever growing where that is not told."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return time.monotonic()
    return float(stat.read_text(encoding="ascii").split()[4]) / os.sysconf("SC_CLK_TCK")
