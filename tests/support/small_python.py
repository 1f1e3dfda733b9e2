"""The Python in which the real stable-diffusion.cpp is tested: one that has cyllama, 3.12 or later."""

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

MISSING = "cyllama is not installed here, nor in .venv-small, which `make small-tests` makes where it finds Python 3.12"


def small_python() -> Path | None:
    """This Python if it has cyllama, or that of .venv-small."""
    candidates = [Path(sys.executable), ROOT / ".venv-small/bin/python"]
    return next((python for python in candidates if python.exists() and _has_cyllama(python)), None)


def _has_cyllama(python: Path) -> bool:
    find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('cyllama') is None)"
    return subprocess.run([python, "-c", find]).returncode == 0
