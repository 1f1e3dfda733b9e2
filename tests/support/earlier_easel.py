"""Earlier versions of Easel, taken from the repository's history and run with this environment's Python."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def source_of(commit: str, folder: Path) -> Path:
    """Extract a commit's code into `folder`, and return the path to import it from. Skips the test without the
    history."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"the repository's history, with commit {commit}, is not here")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"
