"""System calls of a Python program, as strace records them, with the path behind each file descriptor."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def can_trace() -> bool:
    """Whether strace is installed and may trace here."""
    tracer = shutil.which("strace")
    return (
        tracer is not None and subprocess.run([tracer, "-o", os.devnull, "true"], capture_output=True).returncode == 0
    )


def traced(program: str, calls: str, trace: Path) -> list[str]:
    """Run a program, and return its calls of these names, in order, from all threads. `trace` is a file for them."""
    command = ["strace", "-f", "-y", "-e", f"trace={calls}", "-o", str(trace), sys.executable, "-c", program]
    subprocess.run(command, check=True)
    # Each line begins with the number of a thread.
    return [line.partition(" ")[2].lstrip() for line in trace.read_text(errors="replace").splitlines()]
