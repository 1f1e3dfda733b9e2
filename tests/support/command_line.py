"""The command line for tests: `easel …` as a process of its own, and its output.

On Linux, commands are forks of one process that has imported them (`command_server`), at a fiftieth of the cost of a
start. A command whose environment changes how Python or the loader start gets a real start. Tests of what only a start
shows, such as closed streams, signals and loaded libraries, start Python themselves.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support import command_server

TIMEOUT_S: Final = 60.0
_STARTS_DIFFER: Final = ("PYTHON", "LD_", "DYLD_")

Completed = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of Easel, and with `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}  # noqa: TID251 - children get ours
    return clean | more


def easel(*arguments: str, cwd: Path | str = ".", **settings: str) -> Completed:
    """Run a command with only these settings, and return its result whatever its status."""
    return run(arguments, environment(**settings), cwd=cwd)


def run(
    arguments: tuple[str, ...], environ: Mapping[str, str], *, cwd: Path | str = ".", timeout_s: float = TIMEOUT_S
) -> Completed:
    """Run a command in this environment, and wait for it. Raises TimeoutExpired."""
    if sys.platform == "linux" and _start_settings(environ) == _start_settings(environment()):
        return _server().run(arguments, environ, cwd, timeout_s)
    return subprocess.run(
        [sys.executable, "-m", "easel", *arguments],
        env=environ, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def _start_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that affect the start of a program."""
    return {name: value for name, value in environ.items() if name.startswith(_STARTS_DIFFER)}


class _CommandServer:
    """The process that forks commands. It exits with this one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # -P keeps the folder of the program, whose files have names of libraries, out of the path.
            self._process = subprocess.Popen(
                [sys.executable, "-P", command_server.__file__, str(theirs.fileno())],
                env=environment(), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        self._requests = ours
        atexit.register(self._end)

    def _end(self) -> None:
        self._requests.close()
        self._process.wait()

    def run(
        self, arguments: tuple[str, ...], environ: Mapping[str, str], cwd: Path | str, timeout_s: float
    ) -> Completed:
        """Run one command. Safe to call from several threads."""
        request = json.dumps(
            {"arguments": arguments, "environment": dict(environ), "folder": os.path.abspath(cwd)}  # noqa: PTH100
        )
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    descriptors = [output.fileno(), errors.fileno(), theirs.fileno()]
                    socket.send_fds(self._requests, [request.encode()], descriptors)
                status = _status(ours, ["easel", *arguments], timeout_s)
            output.seek(0)
            errors.seek(0)
            # As text streams of subprocess do it, in the encoding of the locale.
            said, told = (file.read().decode().replace("\r\n", "\n") for file in (output, errors))
        return subprocess.CompletedProcess(["easel", *arguments], status, said, told)


def _status(report: socket.socket, command: list[str], timeout_s: float) -> int:
    report.settimeout(timeout_s)
    with report.makefile() as lines:
        pid = int(lines.readline())
        try:
            return int(lines.readline())
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, timeout_s) from None


_lock = threading.Lock()
_servers: list[_CommandServer] = []


def _server() -> _CommandServer:
    with _lock:
        if not _servers:
            _servers.append(_CommandServer())
        return _servers[0]
