"""What is measured: a service that can be started, watched and stopped, and its processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parent.parent
HOST: Final = "127.0.0.1"
STOP_TIMEOUT_S: Final = 40.0
READY_TIMEOUT_S: Final = 60.0


class Contender(Protocol):
    """One service on this machine, with its own data folder."""

    name: str
    port: int

    def start(self) -> None:
        """Start it without waiting."""

    def wait_until_ready(self) -> None:
        """Return when all its parts run."""

    def stop(self) -> None:
        """Stop all parts, however far they have started."""

    def first_key(self) -> str | None:
        """A key that it accepts; None until it has one."""

    def keys(self, accounts: int) -> list[str]:
        """One key for each of this many accounts, with enough credits; the same key if it has no accounts."""

    def parts(self) -> Mapping[str, int]:
        """The names and ids of the processes whose CPU time is reported."""


class Unstartable(Exception):
    """A part did not start. The message contains the end of its log."""


class Part:
    """A child process in its own session, so that Ctrl-C reaches only this process, which stops it gracefully."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str], log_file: Path) -> None:
        self.log_file = log_file
        with log_file.open("ab") as log:
            self.log_begins_at = log.tell()
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def log(self) -> str:
        """Its output since the start."""
        return self.log_file.read_bytes()[self.log_begins_at :].decode(errors="replace")

    def wait_for_line(self, text: str) -> None:
        """Wait until its log contains this text. Raises Unstartable."""
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        while text not in self.log():
            if self.process.poll() is not None or time.monotonic() > give_up_s:
                raise Unstartable(f"{self.log_file.name}: {self.log()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it gracefully, then kill whatever is left in its session."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def python(*arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", *arguments]


@contextmanager
def data_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that the system user of Easel's PostgreSQL can access, also when root runs this."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def free_port() -> int:
    """A free port."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def environment(without: str, more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without the variables that begin with `without`, and with `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return clean | dict(more)
