"""The private PostgreSQL's log: limits the size of its file, and finds the line that says why something failed.

The oldest lines are cut off, and a few others may be lost with them.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOG_BYTES_MAX = 8 * 1024 * 1024
TAIL_BYTES = 8 * 1024
_CAUSE = re.compile(r"error:|ERROR:|FATAL:|PANIC:|error while loading")


@dataclass(frozen=True, slots=True)
class PostgresLog:
    """The log at `path`. `path`.1 has the lines that were cut off last."""

    path: Path

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor for a process to append to. Cutting the file is safe, because the process only appends."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def size_bytes(self) -> int:
        """The log's current size."""
        return self.path.stat().st_size

    def bound(self) -> None:
        """Cut the log when it is longer than LOG_BYTES_MAX. Its content moves to a second file."""
        with contextlib.suppress(FileNotFoundError):
            if self.size_bytes() > LOG_BYTES_MAX:
                with contextlib.suppress(OSError):  # a full disk: the content is lost then, and space is freed
                    shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.1"))
                os.truncate(self.path, 0)

    def cause(self, start_bytes: int) -> str:
        """The last line since `start_bytes` that names a cause, or else the last line."""
        with self.path.open("rb") as log:
            end_bytes = log.seek(0, os.SEEK_END)
            log.seek(max(start_bytes, end_bytes - TAIL_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        causes = [line for line in lines if _CAUSE.search(line)] or lines
        return causes[-1].strip() if causes else f"{self.path} is empty"
