"""How many flushes per second the disk completes: the limit for anything that flushes once per task."""

import os
import time
from pathlib import Path
from typing import Final

APPENDED_BYTES: Final = 512


def flushes_per_second(folder: Path, seconds: float) -> float:
    """Flushes per second of one thread that appends to one file and flushes after each append."""
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
