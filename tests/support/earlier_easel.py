"""Earlier versions of Easel for tests: their code as the repository's history has it, run by this environment's Python."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def source_of(commit: str, folder: Path) -> Path:
    """Unpack that commit's code into `folder`; the path to import it from. Skips the test where there is no history."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"the repository's history, with commit {commit}, is not here")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"
