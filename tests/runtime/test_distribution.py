"""The commands that Easel prints work in any folder."""

import json
import subprocess
import sys
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from easel.runtime import distribution


def installed(folder: Path, record: dict[str, object] | None) -> Distribution:
    """A copy of Easel as an installer records it."""
    info = folder / "easel_server-0.1.0.dist-info"
    info.mkdir()
    if record is not None:
        (info / "direct_url.json").write_text(json.dumps(record))
    return PathDistribution(info)


@pytest.mark.parametrize(
    ("record", "requirement"),
    [
        (None, "'easel-server[gpu]'"),
        ({"url": "file:///srv/easel", "dir_info": {}}, "'/srv/easel[gpu]'"),
        ({"url": "file:///srv/my%20easel", "dir_info": {"editable": True}}, "--editable '/srv/my easel[gpu]'"),
        ({"url": "file:///srv/easel_server-0.1.0-py3-none-any.whl", "archive_info": {}}, "'easel-server[gpu]'"),
    ],
)
def test_the_requirement_of_an_extra_names_the_source_of_the_installation(
    tmp_path: Path, record: dict[str, object] | None, requirement: str
) -> None:
    assert distribution.requirement("gpu", installed(tmp_path, record)) == requirement
    assert distribution.requirement("gpu", None) == "'easel-server[gpu]'"


def test_the_printed_command_runs_in_any_folder_with_any_path(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{distribution.command()} --version"],
        cwd=tmp_path, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.startswith("easel, version ")


def test_the_command_to_install_an_extra_uses_an_installer_that_exists() -> None:
    installer = distribution.install_extra("gpu").split(" install ")[0].split()
    assert subprocess.run([*installer, "--version"], capture_output=True, check=False).returncode == 0
    assert sys.executable in installer
