"""What `easel serve` says when it starts, and when it cannot."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from easel.outside.open_files import FILES_MIN
from tests.support.command_line import easel
from tests.support.data_folders import reachable_folder
from tests.support.running_service import Service

PUBLIC_URL = "https://images.test/easel"


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as made:
        yield made


def test_with_a_public_url_serve_prints_its_own_address_too(folder: Path) -> None:
    with Service(folder, public_url=PUBLIC_URL) as service:
        said = service.log_file.read_text()
        assert f" is ready at {PUBLIC_URL} (engine blank; API page {PUBLIC_URL}/docs)." in said
        assert f" It listens on {service.url}.\n" in said
        assert f" EASEL_URL={service.url}\n" in said


@pytest.mark.parametrize(
    ("files", "command"), [(6, "serve --port 0"), (FILES_MIN - 1, "serve --port 0"), (20, "credits show")]
)
def test_a_low_limit_on_open_files_is_reported_with_the_required_number(folder: Path, files: int, command: str) -> None:
    service = Service(folder)
    line = f"ulimit -n {files} && exec {sys.executable} -m easel {command}"
    ran = subprocess.run(
        ["/bin/sh", "-c", line], env=service.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 78
    assert ran.stderr == (
        f"Error: This process may open only {files} files: raise `ulimit -n` to at least {FILES_MIN}.\n"
    )


def test_missing_postgresql_programs_are_reported_with_the_variable_that_names_them(folder: Path) -> None:
    for command in (["serve", "--port", "0"], ["keys", "create", "--account", "a"]):
        ran = easel(*command, EASEL_DATA_DIR=str(folder), EASEL_ENGINE="blank", EASEL_POSTGRES_BIN="/tmp")
        assert ran.stderr.endswith(
            "Error: EASEL_POSTGRES_BIN is /tmp, which has no program postgres: "
            "set it to a folder with PostgreSQL's programs for this system, unset it, or set EASEL_DATABASE_URL.\n"
        )
