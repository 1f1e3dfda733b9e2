"""Finds the shell commands that run this copy of Easel and install its extras.

They depend on what the installer recorded. A package index may not have Easel under this name.
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
    """The shell command that runs this `easel` on this machine, independent of PATH and the current folder."""
    script = Path(sys.executable).with_name("easel")
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m easel"


def install_extra(extra: str) -> str:
    """The shell command that installs an extra of Easel into this environment, independent of the current folder."""
    python = shlex.quote(sys.executable)
    # Environments created by uv have no pip.
    installer = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{installer} {requirement(extra, _installed())}"


def requirement(extra: str, installed: Distribution | None) -> str:
    """The pip requirement for this copy of Easel with an extra: its source folder if known, otherwise its name."""
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
