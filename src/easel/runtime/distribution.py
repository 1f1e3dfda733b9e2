"""How this copy of Easel was installed, and so what to type to run it or to add to it.

It reads what the installer recorded. It does not promise that an index has Easel under its name.
"""

import json
import shlex
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

NAME: Final = "easel-server"


def command() -> str:
    """What to type in any shell on this machine to run this `easel`, whatever its PATH and folder are."""
    script = Path(sys.executable).with_name("easel")
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m easel"


def install_extra(extra: str) -> str:
    """What to type, in any folder, to install what an extra of Easel needs beside this copy of it."""
    python = shlex.quote(sys.executable)
    # An environment that uv made has no pip of its own.
    installer = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{installer} {requirement(extra, _installed())}"


def requirement(extra: str, installed: Distribution | None) -> str:
    """The argument of pip that names this copy of Easel with an extra: its source folder, or else its name."""
    record = installed.read_text("direct_url.json") if installed is not None else None
    source = json.loads(record) if record else {}
    if "dir_info" not in source:
        return shlex.quote(f"{NAME}[{extra}]")
    folder = unquote(urlsplit(source["url"]).path)
    editable = "--editable " if source["dir_info"].get("editable") else ""
    return editable + shlex.quote(f"{folder}[{extra}]")


def _installed() -> Distribution | None:
    try:
        return distribution(NAME)
    except PackageNotFoundError:
        return None
