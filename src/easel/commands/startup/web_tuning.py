"""Tunes the interpreter and malloc for the web process: short waits for the event loop, little memory."""

import ctypes
import sys
from typing import Final

THREADS_SWITCH_S: Final = 0.00005
"""How long another thread may run while the event loop waits for the interpreter's lock."""
LINUX_SET_TIMER_SLACK: Final = 29
"""PR_SET_TIMERSLACK in Linux's prctl.h; its argument is in nanoseconds."""
GLIBC_ARENA_MAX: Final = -8
"""M_ARENA_MAX in glibc's malloc.h: the maximum number of heaps that threads allocate from."""
HEAPS: Final = 2


def tune_for_the_event_loop() -> None:
    """Keep the event loop responsive next to threads that read pictures and judge prompts, and save memory."""
    sys.setswitchinterval(THREADS_SWITCH_S)
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        # Waiting for the interpreter's lock uses a timer, which Linux by default lets fire 50 microseconds late.
        library.prctl(LINUX_SET_TIMER_SLACK, 1000)
    if hasattr(library, "mallopt"):
        # With one heap per thread, glibc keeps tens of megabytes after many clients have left.
        library.mallopt(GLIBC_ARENA_MAX, HEAPS)


def release_free_memory() -> None:
    """Return free memory to the system, which glibc otherwise keeps. Takes a few milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
