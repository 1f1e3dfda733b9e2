"""A PgBouncer in front of an operator's PostgreSQL, in transaction mode.

Its program is Debian's package `pgbouncer`, which is not among Easel's dependencies. Call `stop` at the end.
"""

import signal
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tools.own_server.postgres import DATABASE, PORT, ROLE, START_S_MAX, OwnPostgres, socket_url, stop, wait_until

POOLER_PORT: Final = 6432
CLIENTS_MAX: Final = 10_000
PREPARES_SINCE: Final = (1, 22)
_PROGRAMS: Final = (Path("/usr/local/bin/pgbouncer"), Path("/usr/sbin/pgbouncer"), Path("/usr/bin/pgbouncer"))


def program() -> Path | None:
    """PgBouncer's program, if it is installed."""
    return next((path for path in _PROGRAMS if path.exists()), None)


def version() -> tuple[int, int]:
    """The version of PgBouncer's program, which must be installed."""
    shown = subprocess.run([str(program()), "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = shown.split()[1].split(".")[:2]
    return int(major), int(minor)


class PgBouncer:
    """A pooler that lends `pool_size` connections of the server to its clients, for one transaction each time."""

    def __init__(self, server: OwnPostgres, pool_size: int) -> None:
        self._server = server
        self._folder = server.home
        self._pool_size = pool_size
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The service's URL through the pooler."""
        return socket_url(self._folder, POOLER_PORT, ROLE)

    @property
    def pid(self) -> int:
        """Its only process."""
        assert self._process is not None, "it was never started"
        return self._process.pid

    @property
    def kind(self) -> str:
        """The value of EASEL_DATABASE_POOLER that fits it."""
        return "transaction-prepared" if version() >= PREPARES_SINCE else "transaction"

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        found = program()
        assert found is not None, "pgbouncer is not installed"
        account = self._server.account
        config = self._write("pgbouncer.ini", self._configuration())
        self._write("users.txt", f'"{ROLE}" ""\n')
        with (self._folder.parent / "pgbouncer.log").open("ab") as log:
            self._process = account.start([found, "-q", config], log.fileno())
        wait_until(lambda: self.has_ended() or self._accepts(), START_S_MAX)
        assert self._accepts(), "PgBouncer did not start"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, if it runs. SIGTERM cuts all connections."""
        if self._process is not None:
            stop(self._process, number)

    def has_ended(self) -> bool:
        """Whether it was started and has ended."""
        return self._process is not None and self._process.poll() is not None

    def show(self, what: str) -> list[dict[str, Any]]:
        """The rows of a SHOW command of its console."""
        with self._console() as connection:
            return connection.execute(f"SHOW {what}".encode()).fetchall()

    def _console(self) -> psycopg.Connection[dict[str, Any]]:
        url = socket_url(self._folder, POOLER_PORT, ROLE, "pgbouncer")
        # Its console knows no transactions and no types.
        return psycopg.connect(url, autocommit=True, connect_timeout=2, row_factory=dict_row)

    def _accepts(self) -> bool:
        try:
            self._console().close()
        except psycopg.OperationalError:
            return False
        return True

    def _write(self, name: str, text: str) -> Path:
        file = self._folder / name
        file.write_text(text)
        file.chmod(0o644)
        return file

    def _configuration(self) -> str:
        return f"""\
[databases]
{DATABASE} = host={self._folder} port={PORT} dbname={DATABASE}

[pgbouncer]
listen_addr =
listen_port = {POOLER_PORT}
unix_socket_dir = {self._folder}
auth_type = trust
auth_file = {self._folder}/users.txt
admin_users = {ROLE}
pool_mode = transaction
default_pool_size = {self._pool_size}
max_client_conn = {CLIENTS_MAX}
server_login_retry = 1
""" + ("max_prepared_statements = 200\n" if self.kind == "transaction-prepared" else "")
