"""Which wheels of cyllama are installed, and whether they will do."""

import re
import sys
from typing import Final

from easel.engines.engine import EngineUnusable
from easel.engines.sdcpp.messages import Hello
from easel.runtime import distribution

_TRIED: Final = re.compile(r"0\.7\.\d+.*")
NEEDED: Final = "cyllama 0.7 and Python 3.12 or later"


def require_library(hello: Hello) -> None:
    """Raise EngineUnusable unless exactly one wheel is installed, of a version that Easel knows."""
    if len(hello.wheels) > 1:
        raise EngineUnusable(
            f"{' and '.join(hello.wheels)} are installed, and overwrite each other's files: uninstall all of them, and "
            "install the one for this machine."
        )
    if hello.version and not _TRIED.fullmatch(hello.version):
        raise EngineUnusable(
            f"The sdcpp engine needs {NEEDED}, and cyllama {hello.version} is installed: "
            f"{distribution.install_extra('small')}."
        )


def why_no_library(words: str) -> str:
    """The message for the operator, with what the child said."""
    if sys.version_info < (3, 12):
        remedy = "set EASEL_SDCPP_PYTHON to such a Python that has cyllama, or install Easel with one"
    else:
        remedy = f"run `{distribution.install_extra('small')}`"
    return f"The sdcpp engine needs {NEEDED} ({words}): {remedy}."
