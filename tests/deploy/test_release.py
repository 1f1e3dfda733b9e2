"""What `make release` builds, and what GitHub runs, as far as it can be checked here."""

import hashlib
import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

import easel
from easel.runtime import process_environment
from tests.support.paths import ROOT

SCHEMAS: Final = {
    ".github/workflows/test.yaml": "vendor.github-workflows",
    ".github/ISSUE_TEMPLATE/problem.yaml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/idea.yaml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit."""
    folder = tmp_path_factory.mktemp("release") / "easel"
    cloned = subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], capture_output=True)
    if cloned.returncode != 0:
        pytest.skip("this is no repository of git")
    return folder


@pytest.fixture(scope="module")
def built(clone: Path) -> Path:
    """The files of a release of the last commit."""
    out = clone / "dist"
    released = _release(clone, "--environment", sys.executable)
    assert released.returncode == 0, released.stdout + released.stderr
    return out


def _release(clone: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = process_environment.copy() | {"PYTHONPATH": f"{clone}:{clone / 'src'}"}
    command = [sys.executable, "-m", "tools.release", *options]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)


def test_a_release_has_a_wheel_a_source_archive_a_list_of_packages_and_checksums(built: Path) -> None:
    name = f"easel_server-{easel.__version__}"
    expected = {f"{name}-py3-none-any.whl", f"{name}.tar.gz", f"{name}.cdx.json", "SHA256SUMS"}
    assert {file.name for file in built.iterdir()} == expected
    for line in (built / "SHA256SUMS").read_text().splitlines():
        digest, _, file = line.partition("  ")
        assert hashlib.sha256((built / file).read_bytes()).hexdigest() == digest


def test_the_wheel_has_all_that_the_package_has_and_both_commands(built: Path, clone: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [entry_points] = [name for name in names if name.endswith("entry_points.txt")]
        commands = archive.read(entry_points).decode()
    committed = subprocess.run(["git", "ls-files", "src"], cwd=clone, capture_output=True, text=True).stdout.split("\n")
    assert {name.removeprefix("src/") for name in committed if name} <= names
    assert "easel = easel.__main__:main" in commands
    assert "easel-server = easel.__main__:main" in commands


def test_the_source_archive_has_what_builds_and_tests_it(built: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        top = {name.split("/")[1] for name in tar.getnames()}
    assert {"src", "tests", "docs", "deploy", "Makefile", "constraints.txt", "LICENSE", "NOTICE"} <= top


def test_the_list_of_packages_names_those_that_easel_needs(built: Path) -> None:
    [file] = built.glob("*.cdx.json")
    listed = json.loads(file.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == "easel-server"
    names = {component["name"].lower().replace("_", "-") for component in listed["components"]}
    assert {"starlette", "psycopg", "prometheus-client", "pillow"} <= names


def test_uncommitted_changes_are_refused(built: Path, clone: Path) -> None:
    assert built.exists()
    changed = clone / "README.md"
    text = changed.read_text()
    changed.write_text("changed")
    try:
        refused = _release(clone)
    finally:
        changed.write_text(text)
    assert refused.returncode == 1
    assert "uncommitted changes" in refused.stderr
    assert "README.md" in refused.stderr


@pytest.mark.parametrize("file", SCHEMAS)
def test_what_github_reads_keeps_its_schema(file: str) -> None:
    command = [
        str(Path(sys.executable).with_name("check-jsonschema")),
        "--builtin-schema",
        SCHEMAS[file],
        str(ROOT / file),
    ]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_workflow_runs_every_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each]
    workflow = (ROOT / ".github/workflows/test.yaml").read_text()
    assert f"python: {json.dumps(named)}" in workflow
