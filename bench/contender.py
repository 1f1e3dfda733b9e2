"""What is measured: a service that can be started, asked, watched and stopped, and the processes that it is made of."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parent.parent
HOST: Final = "127.0.0.1"
STOP_TIMEOUT_S: Final = 40.0
READY_TIMEOUT_S: Final = 60.0


class Contender(Protocol):
    """One service on this machine, on a data folder of its own."""

    name: str
    port: int

    def start(self) -> None:
        """Begin to start it; does not wait."""

    def wait_until_ready(self) -> None:
        """Return when all its parts run."""

    def stop(self) -> None:
        """Stop all of it, started wholly, halfway or not at all."""

    def first_key(self) -> str | None:
        """A key that it accepts; None as long as it has none."""

    def keys(self, accounts: int) -> list[str]:
        """A key for each of so many accounts, with credits enough; the same one where it has no accounts."""

    def parts(self) -> Mapping[str, int]:
        """What each process is called whose CPU time is reported, and its id."""


class Unstartable(Exception):
    """A part did not start; the message says what its log ends with."""


class Part:
    """A child process of ours, in a session of its own, so that Ctrl-C reaches us alone and we stop it in order."""

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
        """What it has written since it was started."""
        return self.log_file.read_bytes()[self.log_begins_at :].decode(errors="replace")

    def wait_for_line(self, text: str) -> None:
        """Return when its log has that text. Raises Unstartable."""
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        while text not in self.log():
            if self.process.poll() is not None or time.monotonic() > give_up_s:
                raise Unstartable(f"{self.log_file.name}: {self.log()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it in order; by force what does not stop, with every process that it started in its session."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def python(*arguments: str) -> list[str]:
    """The command that runs a module with our own interpreter."""
    return [sys.executable, "-m", *arguments]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def environment(without: str, more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without the variables that begin with `without`, and with `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return clean | dict(more)
