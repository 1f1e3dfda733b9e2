"""How often a second the disk takes something for good: the ceiling of whatever waits for it once a task."""

import os
import time
from pathlib import Path
from typing import Final

APPENDED_BYTES: Final = 512


def flushes_per_second(folder: Path, seconds: float) -> float:
    """Small appends to one file, each flushed before the next is written, by one thread."""
    flush = getattr(os, "fdatasync", os.fsync)
    file = folder / "flushes"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    flushes = 0
    began_s = time.perf_counter()
    try:
        while (passed_s := time.perf_counter() - began_s) < seconds:
            os.write(descriptor, bytes(APPENDED_BYTES))
            flush(descriptor)
            flushes += 1
    finally:
        os.close(descriptor)
        file.unlink()
    return flushes / passed_s
