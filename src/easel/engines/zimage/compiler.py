"""What PyTorch needs to compile the model for an NVIDIA GPU, and whether it is here.

Triton makes a GPU's code, and builds a small C library for Python to start it with.
"""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

from easel.runtime import process_environment

COMPILERS = ("gcc", "clang")


def missing() -> list[str]:
    """What is missing, each with what to install."""
    lacks = []
    named = process_environment.c_compiler()
    if not any(shutil.which(compiler) for compiler in ([named] if named else COMPILERS)):
        lacks.append(f"the C compiler {named} (CC)" if named else "a C compiler (install gcc)")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        lacks.append("Python's header files (install python3-dev, or python3-devel)")
    if importlib.util.find_spec("triton") is None:
        lacks.append("Triton (install PyTorch from the default package index)")
    return lacks
