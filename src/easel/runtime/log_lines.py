"""Whole lines on a descriptor that several processes write to.

A line is written by one call. Where the kernel may take it in parts, as of a long one for a pipe, other processes of ours
wait meanwhile, up to LOCK_S_MAX, and do not wait again for a process that kept them so long. What cannot be written is
lost: nobody stops because nobody reads its log.

It keeps no other program's output apart, and not ours on systems that do not lock pipes.
"""

import fcntl
import os
import select
import stat
import threading
import time
from typing import Final

LOCK_S_MAX: Final = 1.0
"""The longest that a line waits for another process's line, whose writer may be frozen."""
FULL_S_MAX: Final = 1.0
"""Longest wait for a reader that is behind, where the descriptor does not block by itself."""
_POLL_S: Final = 0.001


class WholeLines:
    """Writes lines to one descriptor, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._one_thread = threading.RLock()
        self._is_waited_for = True
        try:
            # The kernel keeps two writes to one file apart.
            self._is_locked = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:
            self._is_locked = False

    def write(self, text: str) -> int:
        """Write text that ends its line."""
        data = text.encode(errors="backslashreplace")
        with self._one_thread:
            has_lock = self._is_locked and self._lock()
            try:
                self._write(data)
            finally:
                if has_lock:
                    fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def _lock(self) -> bool:
        give_up_s = time.monotonic() + (LOCK_S_MAX if self._is_waited_for else 0)
        while True:
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):  # either says that another process has it
                if time.monotonic() > give_up_s:
                    self._is_waited_for = False
                    return False
                time.sleep(_POLL_S)
            except OSError:
                self._is_locked = False
                return False
            else:
                self._is_waited_for = True
                return True

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                _, writable, _ = select.select([], [self._descriptor], [], FULL_S_MAX)
                if not writable:
                    return
            except OSError:
                return
