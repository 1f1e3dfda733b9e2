"""Runs processes in a network namespace of their own and records the names that they look up (`look_up_recorder.py`).

It needs Linux, and does not work in every container.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.patience import eventually

STOP_S: Final = 20.0


def namespaces() -> list[str] | None:
    """The command before a command that gives it a network and mounts of its own; None where that is not permitted."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    for options in (["-nm"], ["-rnm"]):
        if subprocess.run([unshare, *options, "true"], capture_output=True).returncode == 0:
            return [unshare, *options]
    return None


class Recorded:
    """A process, and the names that it has looked up so far."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self.process = process
        self._file = file

    @property
    def names(self) -> list[str]:
        """The names, in the order of the look-ups."""
        return self._file.read_text().split() if self._file.exists() else []


@contextmanager
def recorded(
    within: Sequence[str], file: Path, command: Sequence[str], environ: Mapping[str, str]
) -> Iterator[Recorded]:
    """Run a command until the block ends, with its look-ups recorded in `file`."""
    python = [sys.executable, "-m", "tests.support.look_up_recorder", str(file)]
    process = subprocess.Popen([*within, *python, *command], env=dict(environ), stdout=subprocess.PIPE)
    try:
        yield Recorded(process, file)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def await_look_up(of: Recorded, timeout_s: float) -> None:
    """Wait until a name was looked up."""
    eventually(lambda: of.names, timeout_s, every_s=0.2)
