"""Changes what `ps` shows of a forked process, so that operators can tell the children of `easel serve` apart.

Linux keeps the command line where the process can write it. On other systems nothing changes.
"""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/self/stat")
_FIRST_FIELD_AFTER_NAME: Final = 3
_ARG_START, _ARG_END = 48, 49
"""Fields of /proc/pid/stat, counted from 1 as in its manual."""


def show_arguments(command: str, arguments: Sequence[str]) -> None:
    """Show these arguments in place of `command` and those after it. They are cut off if they need more room."""
    if not _STAT.exists() or command not in sys.orig_argv:
        return
    # The interpreter without its folder, because there is only as much room as this process's own arguments had.
    interpreter, *before = sys.orig_argv[: sys.orig_argv.index(command)]
    shown = [Path(interpreter).name, *before, *arguments]
    # The name of the program is in parentheses and may contain spaces.
    fields = _STAT.read_text().rpartition(") ")[2].split()
    start, end = (int(fields[number - _FIRST_FIELD_AFTER_NAME]) for number in (_ARG_START, _ARG_END))
    if not 0 < start < end:
        return
    text = "\0".join(shown).encode(errors="surrogateescape")[: end - start - 1]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
