"""A PostgreSQL server that belongs to the operator: Easel knows only its URL, as with EASEL_DATABASE_URL.

It listens on a socket in its folder, which only its own account may enter, and root. Its data is lost with the folder.
The service's role owns its database and has no other rights. Call `stop` at the end.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg

from easel.outside.postgres.account import Account, choose_account, own_folder
from easel.outside.postgres.binaries import find_binaries, reachable

SUPERUSER: Final = "operator"
ROLE: Final = "easel"
DATABASE: Final = "easel"
PORT: Final = 5432
START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 30.0
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class OwnPostgres:
    """The server in `folder`, which accepts `connections_max` connections."""

    def __init__(self, folder: Path, connections_max: int) -> None:
        self.home = folder / "server"
        self.account: Account = choose_account(None, self.home)
        self._connections_max = connections_max
        self._programs = reachable(find_binaries(None), self.account, folder / "programs")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The service's URL."""
        return socket_url(self.home, PORT, ROLE)

    @property
    def pid(self) -> int:
        """The process that all others of the server descend from."""
        assert self._process is not None, "it was never started"
        return self._process.pid

    def create(self) -> None:
        """Create the server's files, start it, and create the service's role and database."""
        own_folder(self.home, self.account)
        made = self.account.start(
            [self._programs.initdb, "-D", self.home / "data", "-U", SUPERUSER, "--auth=trust", "--no-locale",
             "--encoding=UTF8", "--no-sync"]
        )  # fmt: skip
        assert made.wait(START_S_MAX) == 0, "initdb failed"
        self.start()
        with psycopg.connect(socket_url(self.home, PORT, SUPERUSER, "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN")
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = _SETTINGS | {
            "unix_socket_directories": str(self.home),
            "max_connections": str(self._connections_max),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.home.parent / "server.log").open("ab") as log:
            self._process = self.account.start(
                [self._programs.postgres, "-D", self.home / "data", *options], log.fileno()
            )
        wait_until(lambda: self.has_ended() or self._accepts(), START_S_MAX)
        assert self._accepts(), "PostgreSQL did not start"

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server, if it runs. SIGINT ends its connections, SIGQUIT is a crash."""
        if self._process is not None:
            stop(self._process, number)

    def has_ended(self) -> bool:
        """Whether it was started and has ended."""
        return self._process is not None and self._process.poll() is not None

    def _accepts(self) -> bool:
        try:
            psycopg.connect(socket_url(self.home, PORT, SUPERUSER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def socket_url(folder: Path, port: int, user: str, database: str = DATABASE) -> str:
    """The URL of a server that listens on a socket in a folder."""
    return f"postgresql://{user}@/{database}?host={quote(str(folder), safe='')}&port={port}"


def stop(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Send a signal to a process and wait until it has ended. Kill it if it takes too long."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until `is_so`. Returns whether it became so in time."""
    give_up_s = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.05)
    return True
