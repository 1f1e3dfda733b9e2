"""The tested service behind a pooler: its PostgreSQL and its PgBouncer are an operator's, and outlive it.

Whatever of the two is killed is started again within a second, as an operator's init system does. Call `kill_all` at
the end, as for any installation.
"""

import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import psycopg

from tools.own_server.pgbouncer import PgBouncer
from tools.own_server.postgres import OwnPostgres
from tools.soak.installation import Installation, Role

POOL_SIZE: Final = 10
CONNECTIONS_MAX: Final = 60
TEND_EVERY_S: Final = 0.5


class PooledInstallation(Installation):
    """An installation whose connections a pooler lends, in transaction mode."""

    outliving = frozenset({Role.DATABASE, Role.BACKEND, Role.POOLER})

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._server = OwnPostgres(folder, CONNECTIONS_MAX)
        self._pooler = PgBouncer(self._server, POOL_SIZE)
        secret_file = folder / "secret"
        secret_file.write_text(secrets.token_hex(32))
        secret_file.chmod(0o600)
        pooled = {
            "EASEL_DATABASE_URL": self._pooler.url,
            "EASEL_DATABASE_DIRECT_URL": self._server.url,
            "EASEL_DATABASE_POOLER": self._pooler.kind,
            "EASEL_SECRET_FILE": str(secret_file),
        }
        super().__init__(folder, {**settings, **pooled})
        self._is_over = Event()
        self._tending: Thread | None = None

    def start(self, step_s: float) -> None:
        """Start `easel serve`, and before the first time what it depends on."""
        if self._tending is None:
            self._server.create()
            self._pooler.start()
            self._tending = Thread(target=self._tend, daemon=True)
            self._tending.start()
        super().start(step_s)

    def kill_all(self) -> None:
        """Kill all processes, the operator's too."""
        self._is_over.set()
        if self._tending is not None:
            self._tending.join()
        super().kill_all()
        for part in (self._pooler, self._server):
            part.stop(signal.SIGKILL)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, which does not pass the pooler."""
        with psycopg.connect(self._server.url) as connection:
            # The role's settings are for the service's own queries, and let this one take a hundred times as long.
            connection.execute("SET statement_timeout = 0; SET enable_seqscan = on; SET enable_sort = on")
            return connection.execute(query.encode(), values or None).fetchall()

    def _tend(self) -> None:
        """Start again what has ended, until all is over."""
        while not self._is_over.wait(TEND_EVERY_S):
            for part in (self._server, self._pooler):
                if part.has_ended():
                    try:
                        part.start()
                    except (AssertionError, subprocess.SubprocessError):
                        continue  # processes of the killed server are still alive
