"""A data folder that cannot be used is told as such, by what starts, by what only looks and by the doctor alike."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from easel.outside.data_folder.access import access_problem
from tests.support.command_line import easel, environment
from tests.support.data_folders import reachable_folder

ANOTHER = "choose another folder with EASEL_DATA_DIR or --data-dir"
COMMANDS = (
    ["serve", "--port", "0"],
    ["credits", "show"],
    ["keys", "create", "--account", "a"],
    ["secret", "reset", "--yes"],
)
USER_ID = 54321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
AS_USER = """
import os, sys
from pathlib import Path
from easel.outside.data_folder.access import access_problem
os.setuid(int(sys.argv[1]))
print(access_problem(Path(sys.argv[2])))
"""


@pytest.fixture
def room() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def as_user(folder: Path) -> str:
    """What another user than root is told of a folder."""
    command = [sys.executable, "-c", AS_USER, str(USER_ID), str(folder)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout.strip()


def told(folder: Path) -> str:
    """The one sentence that all of them say."""
    said = set()
    for command in COMMANDS:
        ran = easel(*command, EASEL_DATA_DIR=str(folder), EASEL_ENGINE="blank")
        assert ran.returncode == 78, ran.stdout
        said.add(ran.stderr.removeprefix("Error: ").strip())
    asked = easel("doctor", EASEL_DATA_DIR=str(folder), EASEL_ENGINE="blank")
    assert asked.returncode == 78
    found = re.search(r"^PROBLEM +data +(.*)$", asked.stdout, re.MULTILINE)
    assert found is not None, asked.stdout
    assert "ok       storage" not in asked.stdout
    [sentence] = said
    assert sentence == found[1]
    return sentence


def test_a_file_in_place_of_the_data_folder_is_reported(room: Path) -> None:
    (room / "file").touch()
    assert told(room / "file") == f"The data folder {room}/file is a file: {ANOTHER}."


def test_a_dangling_link_is_reported(room: Path) -> None:
    (room / "link").symlink_to("/nowhere/at/all")
    assert told(room / "link") == (
        f"The data folder {room}/link is a link to /nowhere/at/all, which does not exist: {ANOTHER}."
    )


def test_a_path_below_a_file_or_a_dangling_link_is_reported(room: Path) -> None:
    (room / "file").touch()
    (room / "link").symlink_to(room / "gone")
    assert access_problem(room / "file" / "x" / "y") == (
        f"The data folder {room}/file/x/y cannot be created, because {room}/file is a file: {ANOTHER}."
    )
    assert access_problem(room / "link" / "x") == (
        f"The data folder {room}/link/x cannot be created: {room}/link is a link to {room}/gone, which does not exist: {ANOTHER}."
    )


def test_a_folder_that_exists_or_can_be_created_has_no_problem(room: Path) -> None:
    (room / "link").symlink_to(room)
    for folder in (room, room / "new" / "deep", room / "link", room / "link" / "new"):
        assert access_problem(folder) is None


@needs_root
def test_a_folder_of_another_user_is_reported_with_its_owner(room: Path) -> None:
    assert as_user(room) == (
        f"The data folder {room} is not writable for user {USER_ID}: it belongs to user root. "
        f"Run Easel as that user, or {ANOTHER}."
    )
    assert as_user(room / "new") == (
        f"The data folder {room}/new does not exist, and user {USER_ID} cannot create it in {room}: {ANOTHER}."
    )
    room.chmod(0o700)
    assert as_user(room / "new").startswith(f"The data folder {room}/new is not accessible to user {USER_ID} (Perm")


@needs_root
def test_a_read_only_folder_of_ones_own_is_reported_with_the_command_to_fix_it(room: Path) -> None:
    mine = room / "mine"
    mine.mkdir(mode=0o555)
    os.chown(mine, USER_ID, USER_ID)
    assert f"run `chmod u+rwx {mine}`, or {ANOTHER}." in as_user(mine)
    shutil.rmtree(mine)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_file_system_that_allows_no_folder_is_reported() -> None:
    ran = easel("serve", "--port", "0", EASEL_DATA_DIR="/proc/nowhere", EASEL_ENGINE="blank")
    assert ran.stderr.startswith("Error: The data folder /proc/nowhere ")
