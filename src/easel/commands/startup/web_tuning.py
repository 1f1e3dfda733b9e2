"""How the web process shares the interpreter with its threads, and how little memory it keeps."""

import ctypes
import sys
from typing import Final

THREADS_SWITCH_S: Final = 0.00005
"""How long a thread may compute while the loop's thread waits for the interpreter."""
LINUX_SET_TIMER_SLACK: Final = 29
"""PR_SET_TIMERSLACK in Linux's prctl.h; its argument is in nanoseconds."""
GLIBC_ARENA_MAX: Final = -8
"""M_ARENA_MAX in glibc's malloc.h: from how many heaps threads allocate, at most."""
HEAPS: Final = 2


def favour_the_loop() -> None:
    """Beside threads that read pictures and judge prompts, answer quickly and keep little memory."""
    sys.setswitchinterval(THREADS_SWITCH_S)
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        # The interpreter's lock is waited for by a timer, which Linux otherwise lets ring 50 microseconds late.
        library.prctl(LINUX_SET_TIMER_SLACK, 1000)
    if hasattr(library, "mallopt"):
        # With a heap for each thread, glibc keeps tens of megabytes after a crowd of clients. Other libraries do not.
        library.mallopt(GLIBC_ARENA_MAX, HEAPS)


def release_free_memory() -> None:
    """Give the system what malloc has free, which glibc otherwise keeps. It takes some milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
