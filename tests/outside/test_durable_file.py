"""Durable files: the order of flushes and renames, what a killed writer leaves, and what is overwritten."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from easel.outside import durable_file
from tests.support.tracing import can_trace, traced

DIES_AT: Final = """
import os, sys
from pathlib import Path
from easel.outside import durable_file
def die(event, arguments):
    if event == {event!r}:
        os._exit(9)
sys.addaudithook(die)
"""
"""A process that dies just before it names a file, by an audit hook of Python."""

CALLS: Final = {
    "replace": "durable_file.replace(room / 'target', b'new', staging=room / 'staging')",
    "create": "durable_file.create(room / 'target', b'new')",
    "new_file, nameless": "with durable_file.new_file(room / 'target') as new: new.file.write(b'new')",
    "new_file, named": (
        "with durable_file.new_file(room / 'target', may_be_nameless=False) as new: new.file.write(b'new')"
    ),
}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path


def program(call: str, room: Path) -> str:
    return (
        f"from pathlib import Path\nfrom easel.outside import durable_file\nroom = Path({str(room)!r})\n{CALLS[call]}\n"
    )


@pytest.mark.skipif(not can_trace(), reason="strace cannot be used here")
@pytest.mark.parametrize("call", CALLS)
def test_data_is_flushed_before_the_rename_and_the_folder_after_it(call: str, room: Path, tmp_path: Path) -> None:
    watched = "openat,write,fsync,fdatasync,rename,renameat,renameat2,link,linkat"
    seen = []
    for line in traced(program(call, room), watched, tmp_path / "trace"):
        if '"new"' in line and line.startswith("write("):
            seen.append("write")
        elif line.startswith(("fsync(", "fdatasync(")):
            seen.append("flush folder" if re.search(rf"<{re.escape(str(room))}>", line) else "flush file")
        elif re.match(r"(rename|link)", line):
            seen.append("name")
    assert seen == ["write", "flush file", "name", "flush folder"]


@pytest.mark.parametrize(
    ("call", "event", "left"),
    [
        ("replace", "os.rename", 1),
        ("create", "os.link", 1),
        ("new_file, nameless", "os.link", 0),
        ("new_file, named", "os.rename", 1),
    ],
)
def test_a_writer_that_dies_before_the_rename_leaves_the_old_file(call: str, event: str, left: int, room: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIES_AT.format(event=event) + program(call, room)])
    assert died.returncode == 9
    assert not (room / "target").exists()
    assert len([path for path in room.rglob("*") if path.is_file()]) == left


def test_a_new_file_removes_leftovers_of_a_killed_writer(room: Path) -> None:
    subprocess.run([sys.executable, "-c", DIES_AT.format(event="os.rename") + program("new_file, named", room)])
    with durable_file.new_file(room / "target", may_be_nameless=False) as new:
        new.file.write(b"new")
        with pytest.raises(FileExistsError), durable_file.new_file(room / "target", may_be_nameless=False):
            (room / "target").touch()  # another writer is faster
        assert [path.suffix for path in room.iterdir() if path.is_file() and path.suffix] == [".unfinished"]
        (room / "target").unlink()
    assert (room / "target").read_bytes() == b"new"
    assert sorted(path.name for path in room.iterdir()) == ["staging", "target"]


@pytest.mark.parametrize("may_be_nameless", [True, False])
def test_a_new_file_is_private_and_never_overwrites_another(room: Path, may_be_nameless: bool) -> None:
    target = room / "target"
    with durable_file.new_file(target, may_be_nameless=may_be_nameless) as new:
        new.file.write(b"first")
        assert not target.exists()
    assert target.read_bytes() == b"first"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError), durable_file.new_file(target, may_be_nameless=may_be_nameless):
        raise AssertionError("unreachable")
    (room / "link").symlink_to(room / "nowhere")
    with pytest.raises(FileExistsError), durable_file.new_file(room / "link", may_be_nameless=may_be_nameless):
        raise AssertionError("unreachable")
    assert target.read_bytes() == b"first"


@pytest.mark.parametrize("may_be_nameless", [True, False])
def test_a_new_file_is_removed_if_its_block_raises(room: Path, may_be_nameless: bool) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        durable_file.new_file(room / "target", may_be_nameless=may_be_nameless) as new,
    ):
        new.file.write(bytes(1 // 0))
    assert [path.name for path in room.iterdir()] == ["staging"]


def test_created_files_are_private_and_the_first_one_wins(room: Path) -> None:
    durable_file.create(room / "target", b"first")
    durable_file.create(room / "target", b"second")
    assert (room / "target").read_bytes() == b"first"
    assert stat.S_IMODE((room / "target").stat().st_mode) == 0o600
    assert sorted(path.name for path in room.iterdir()) == ["staging", "target"]


def test_replacing_a_file_leaves_no_temporary_file(room: Path) -> None:
    durable_file.replace(room / "target", b"first", staging=room / "staging")
    durable_file.replace(room / "target", b"second", staging=room / "staging")
    assert (room / "target").read_bytes() == b"second"
    (room / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        durable_file.replace(room / "folder", b"third", staging=room / "staging")
    assert list((room / "staging").iterdir()) == []


def test_missing_folders_are_created_private(room: Path) -> None:
    durable_file.make_folder(room / "a" / "b")
    durable_file.make_folder(room / "a" / "b")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (room / "a", room / "a" / "b")] == [0o700, 0o700]
    (room / "file").touch()
    with pytest.raises(NotADirectoryError):
        durable_file.make_folder(room / "file")


def test_moving_and_removing(room: Path) -> None:
    durable_file.create(room / "source", b"content")
    durable_file.move(room / "source", room / "target")
    assert (room / "target").read_bytes() == b"content"
    durable_file.remove(room / "target")
    assert not (room / "target").exists()
    with pytest.raises(FileNotFoundError):
        durable_file.remove(room / "target")
