"""The service under the conditions of a container, and the entry point of the images."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containment import ENTRYPOINT, USER, Container, is_permitted
from tests.support.data_folders import reachable_folder
from tests.support.running_service import finish, submit


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    if not is_permitted():
        pytest.skip("this system does not let us have namespaces and mounts of our own")
    with reachable_folder() as folder, Container(folder, engine="sketch") as running:
        yield running


def test_a_picture_is_drawn_under_any_user_with_a_read_only_root(container: Container) -> None:
    made = container.within("easel", "keys", "create", "--account", "any", "--credits", "1", "--json")
    assert made.returncode == 0, made.stderr
    with container.client(json.loads(made.stdout)["key"]) as client:
        assert finish(client, submit(client)["id"])["status"] == "completed"
    assert container.within("sh", "-c", "touch /written").returncode != 0
    assert container.within("id", "-u").stdout.strip() == str(USER)
    assert container.within("df", "--output=size", "/dev/shm").stdout.split()[-1] == str(64 * 1024)


def test_the_service_is_the_first_process_and_writes_to_its_volume_alone(container: Container) -> None:
    assert "easel serve" in container.within("cat", "/proc/1/cmdline").stdout.replace("\0", " ")
    owners = {path.stat().st_uid for path in (container.data_dir / "easel").iterdir()}
    assert owners == {USER}
    assert {path.name for path in container.data_dir.iterdir()} <= {
        "easel",
        "serve.log",
        ".passwd",
        ".cache",
        ".config",
    }


def test_the_health_check_says_whether_the_service_answers(container: Container) -> None:
    assert container.within(str(ENTRYPOINT), "healthy").returncode == 0
    assert container.within(str(ENTRYPOINT), "healthy", str(container.port), "/nowhere").returncode != 0


def test_a_stop_is_clean(container: Container) -> None:
    assert container.stop() == 0
    log = container.log_lines()
    assert [line for line in log if line["level"] in {"error", "critical"}] == []
    container.start()


def _entered(folder: Path, user: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point as this user, with a command `easel` that says what it was given."""
    command = folder / "easel"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "EASEL_USERS_DIR": str(folder / "users")}
    return subprocess.run(
        [str(ENTRYPOINT), *arguments], user=user, group=0, extra_groups=[], env=environment, capture_output=True,
        text=True, cwd="/",
    )  # fmt: skip


@pytest.fixture
def entry_point() -> Iterator[Path]:
    if os.geteuid() != 0 or not os.access("/usr/bin/getent", os.X_OK):
        pytest.skip("only root can run a process as another user")
    if subprocess.run([str(ENTRYPOINT), "healthy"], user=USER, capture_output=True).returncode == 126:
        pytest.skip("another user cannot enter the folder of this repository")
    with reachable_folder() as folder:
        os.chown(folder, 0, 0)
        folder.chmod(0o775)
        yield folder


def test_a_user_without_a_name_is_given_one(entry_point: Path) -> None:
    ran = _entered(entry_point, USER, "serve", "--port", "80")
    assert (ran.stdout, ran.returncode) == ("serve --port 80\n", 0)
    assert (entry_point / "users/passwd").read_text() == f"easel:x:{USER}:100:Easel:/data:/usr/sbin/nologin\n"


def test_a_user_with_a_name_keeps_it(entry_point: Path) -> None:
    assert _entered(entry_point, 0, "web").stdout == "web\n"
    assert not (entry_point / "users").exists()


def test_a_volume_that_cannot_be_written_is_named(entry_point: Path) -> None:
    entry_point.chmod(0o755)
    ran = _entered(entry_point, USER, "serve")
    assert f"/data cannot be written by user {USER}" in ran.stderr
