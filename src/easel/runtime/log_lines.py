"""Writes whole lines to a descriptor that several processes share.

Each line is written with one call. The kernel may split a long line for a pipe, so Easel's processes lock the
descriptor while they write. They wait up to LOCK_S_MAX for the lock, and do not wait again for a process that held it
that long. Lines that cannot be written are lost, so that a process never stops because nobody reads its log.

Other programs' output may still mix with these lines, and so may Easel's own on systems that cannot lock pipes.
"""

import fcntl
import os
import select
import stat
import threading
import time
from typing import Final

LOCK_S_MAX: Final = 1.0
"""Longest wait for another process, which may be frozen, to finish its line."""
FULL_S_MAX: Final = 1.0
"""Longest wait for a slow reader of a non-blocking descriptor."""
_POLL_S: Final = 0.001


class WholeLines:
    """Writes lines to one descriptor, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._one_thread = threading.RLock()
        self._is_waited_for = True
        try:
            # For regular files the kernel does not mix two writes.
            self._is_locked = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:
            self._is_locked = False

    def write(self, text: str) -> int:
        """Write a text that ends with a line break."""
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
        """Do nothing: nothing is buffered."""

    def _lock(self) -> bool:
        give_up_s = time.monotonic() + (LOCK_S_MAX if self._is_waited_for else 0)
        while True:
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):  # both mean that another process holds the lock
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
