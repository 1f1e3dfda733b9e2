"""The tested service: runs `easel serve` on its own folder, finds its processes, and kills them.

Processes are found by the folder in their environment, so that no other process is ever hit. This needs /proc and
therefore Linux. Call `kill_all` at the end. It leaves no process behind, not even frozen ones.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psycopg
from tests.support.ports import free_port

from easel.outside.postgres import private_postgres

START_S_MAX: Final = 120.0
STOP_S_MAX: Final = 60.0
COMMAND_S_MAX: Final = 120.0
DRAIN_TIMEOUT_S: Final = 5
WORKERS: Final = 2
_EASEL: Final = [sys.executable, "-m", "easel"]


class Role(StrEnum):
    """The role of a process."""

    SERVE = "serve"
    WEB = "web"
    WORKER = "worker"
    DATABASE = "database"
    BACKEND = "database connection"
    POOLER = "pooler"
    OTHER = "other"


class Installation:
    """One data folder, served repeatedly on the same port. `settings` are added to its own settings."""

    outliving: frozenset[Role] = frozenset()
    """Processes that are not the service's, and run on when it has stopped."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "serve.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}  # noqa: TID251 - passed on
        self._environment = clean | {
            "EASEL_DATA_DIR": str(folder),
            "EASEL_ENGINE": "blank",
            "EASEL_LOG_FORMAT": "json",
            "EASEL_WORKERS": str(WORKERS),
            "EASEL_DRAIN_TIMEOUT_S": str(DRAIN_TIMEOUT_S),
            **settings,
        }
        self._serve: subprocess.Popen[bytes] | None = None
        self._log_begins_at = 0

    def start(self, step_s: float) -> None:
        """Start `easel serve` without waiting. Its engine takes `step_s` per step."""
        with self.log_file.open("ab") as log:
            self._log_begins_at = log.tell()
            self._serve = subprocess.Popen(
                [*_EASEL, "serve", "--port", str(self.port)],
                env=self._environment | {"EASEL_BLANK_STEP_S": str(step_s)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # Ctrl-C reaches only this process, which then stops the service.
                start_new_session=True,
            )  # fmt: skip

    def is_ready(self) -> bool:
        """Whether the web process and all workers have become ready since the last start."""
        return b" is ready at " in self.log_since_start()

    def log_since_start(self) -> bytes:
        """The log of `easel serve` and its children since the last start."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_begins_at)
            return log.read()

    def wait_until_ready(self) -> bool:
        """Wait until the service is ready. Returns whether it became ready in time."""
        give_up_s = time.monotonic() + START_S_MAX
        while time.monotonic() < give_up_s:
            if self.is_ready():
                return True
            if self.exit_status() is not None:
                return False
            time.sleep(0.05)
        return False

    def exit_status(self) -> int | None:
        """The exit status of `easel serve`; None while it runs."""
        assert self._serve is not None, "it was never started"
        return self._serve.poll()

    def kill_serve(self) -> None:
        """Kill `easel serve`, but not its children."""
        assert self._serve is not None
        self._serve.kill()
        self._serve.wait()

    def stop(self) -> int | None:
        """Stop it gracefully. Returns its exit status; None if it did not stop in time."""
        assert self._serve is not None
        self._serve.terminate()
        try:
            return self._serve.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            return None

    def processes(self) -> dict[int, Role]:
        """All running processes of the installation."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                where = (process / "cwd").readlink()
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            is_ours = f"={self.folder}\0".encode() in environment or where.is_relative_to(self.folder)
            if line and (is_ours or line.endswith(f" {self.folder}/server/pgbouncer.ini")):
                found[int(process.name)] = self._role(line)
        return found

    def _role(self, line: str) -> Role:
        if f"postgres -D {self.folder}" in line:
            return Role.DATABASE
        if line.startswith("postgres: "):
            return Role.BACKEND
        if "pgbouncer" in line:
            return Role.POOLER
        for role in (Role.SERVE, Role.WEB, Role.WORKER):
            if f" -m easel {role}" in line:
                return role
        return Role.OTHER

    def left(self, within_s: float) -> list[str]:
        """Wait up to `within_s` for all processes to end. Returns those left, with their role and state."""
        give_up_s = time.monotonic() + within_s
        while found := {pid: role for pid, role in self.processes().items() if role not in self.outliving}:
            if time.monotonic() > give_up_s:
                break
            time.sleep(0.1)
        return [f"{role} {pid}, {_state(pid)}" for pid, role in found.items()]

    def kill_all(self) -> None:
        """Kill all its processes."""
        while found := self.processes():
            for pid in found:
                send(pid, signal.SIGKILL)
            if self._serve is not None:
                self._serve.poll()
            time.sleep(0.05)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an `easel` command on the same data folder."""
        return subprocess.run(
            [*_EASEL, *arguments],
            env=self._environment, capture_output=True, text=True, check=False, timeout=COMMAND_S_MAX,
        )  # fmt: skip

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query. The database is started if it is not running."""
        with private_postgres.attach(self.folder) as server, psycopg.connect(server.url) as connection:
            return connection.execute(query.encode(), values or None).fetchall()


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal. Returns False if the process is already gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _state(pid: int) -> str:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        return lines[2].replace("\t", " ").lower() + ", in " + Path(f"/proc/{pid}/wchan").read_text(encoding="utf-8")
    except OSError:
        return "already gone"
