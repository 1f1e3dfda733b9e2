"""Processes, folders and questions for the tests of the private PostgreSQL.

As root the server runs under another account, so that the folders lie where it can enter them.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from easel.outside.postgres.server import runs_postgres_on
from tests.support.patience import PATIENCE_S

HOLDER = """
import os, resource, signal, sys
from pathlib import Path
from easel.outside.postgres.private_postgres import PostgresUnusable, attach

data_dir, uid, file_bytes_max = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if uid != os.geteuid():
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
if file_bytes_max:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
try:
    with attach(data_dir) as server:
        print(server.url, flush=True)
        sys.stdin.read()
except PostgresUnusable as error:
    print(error, flush=True)
"""
"""A process that attaches, says where to or why not, and stays until its input ends. It changes its user by itself:
that user need not be able to reach the interpreter."""


class Holder:
    """A running HOLDER."""

    def __init__(self, data_dir: Path, uid: int, file_bytes_max: int, first_path: Path | None) -> None:
        paths = [str(first_path)] if first_path else []
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir), str(uid), str(file_bytes_max)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": os.pathsep.join([*paths, *sys.path])},
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate(timeout=PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)


Hold = Callable[..., Holder]


@pytest.fixture
def hold() -> Iterator[Hold]:
    holders: list[Holder] = []

    def start(data_dir: Path, *, uid: int | None = None, file_bytes_max: int = 0, path: Path | None = None) -> Holder:
        holders.append(Holder(data_dir, os.geteuid() if uid is None else uid, file_bytes_max, path))
        return holders[-1]

    yield start
    for holder in holders:
        assert holder.process.stdin is not None
        if not holder.process.stdin.closed:
            holder.leave()


def open_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="easel-test-")).resolve()
    folder.chmod(0o711)
    return folder


def kill_servers(folder: Path) -> None:
    for pid_file in folder.glob("**/postgres/data/postmaster.pid"):
        pid = postmaster_pid(pid_file.parents[2])
        if runs_postgres_on(pid, pid_file.parent):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def room() -> Iterator[Path]:
    """An empty folder that every account can enter. A server left in it is killed at the end."""
    folder = open_folder()
    yield folder
    kill_servers(folder)
    shutil.rmtree(folder)


@pytest.fixture
def fresh_dir(room: Path) -> Path:
    return room / "data"


@pytest.fixture(scope="session")
def used_room() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(used_room: Path) -> Iterator[Path]:
    """A data folder that earlier tests may have used, so that its server starts sooner. No server runs there."""
    yield used_room / "data"
    kill_servers(used_room)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def started_at(url: str) -> datetime:
    answer = ask(url, "SELECT pg_postmaster_start_time()")
    assert isinstance(answer, datetime)
    return answer


def answers(url: str) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)
