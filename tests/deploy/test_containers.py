"""The Containerfile and the Compose files, as their linters and schemas see them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from easel.settings.settings import Settings, variables
from tests.support.paths import ROOT

CONTAINERFILE: Final = ROOT / "deploy/container/Containerfile"
COMPOSE: Final = sorted((ROOT / "deploy/compose").glob("*.yaml"))
TOOLS: Final = Path(sys.executable).parent
OF_IMAGES: Final = {"EASEL_USERS_DIR"}
"""What is no setting of Easel: where the images' entry point writes its user."""


@pytest.mark.skipif(shutil.which(TOOLS / "hadolint") is None, reason="hadolint is not to be had for this system")
def test_hadolint_finds_nothing_in_the_containerfile() -> None:
    ran = subprocess.run([TOOLS / "hadolint", "--no-color", CONTAINERFILE], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_what_the_containerfile_copies_is_let_through_to_the_build() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"src", "pyproject.toml"} <= set(names)
    for name in names:
        assert (ROOT / name).exists()
        assert name in allowed or str(Path(name).parent) in allowed, name


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_compose_files_keep_the_schema_of_compose(file: Path) -> None:
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_compose_files_name_services_and_volumes_that_they_have(file: Path) -> None:
    described: dict[str, Any] = yaml.safe_load(file.read_text())
    for name, service in described["services"].items():
        assert set(service.get("depends_on", ())) <= set(described["services"]), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(described["volumes"]), name
        assert set(service.get("secrets", ())) <= set(described.get("secrets", ())), name


def test_the_example_sets_every_variable_that_compose_requires() -> None:
    required = set(re.findall(r"\$\{(\w+):\?\}", (ROOT / "deploy/compose/fleet.yaml").read_text()))
    example = (ROOT / "deploy/compose/fleet.env.example").read_text()
    assert required <= set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))


def test_settings_that_deployments_name_exist() -> None:
    files = [file for file in (ROOT / "deploy").rglob("*") if file.is_file()]
    named = {name for file in files for name in re.findall(r"\bEASEL_[A-Z0-9_]+\b", file.read_text())}
    assert named - variables(Settings) - OF_IMAGES == set()
