"""Runs a command with this process as its name server, and records each name that it looks up.

`python -m tests.support.look_up_recorder FILE COMMAND…`, in new namespaces of its own for network and mounts. It
imports nothing of Easel, which would switch telemetry off for the command as well.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from typing import Final

from tests.support.name_server import NameServer

RESOLVER_FILE: Final = Path("/etc/resolv.conf")
SIOCGIFFLAGS: Final = 0x8913
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1


class _Recorder(NameServer):
    """Resolves no name, and records each."""

    def __init__(self, listener: socket.socket, file: Path) -> None:
        super().__init__(listener)
        self.zone = _Nothing(file)


class _Nothing(dict[str, list[str]]):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def get(self, name: str, _default: object = None) -> None:  # type: ignore[override]
        with self._file.open("a") as file:
            file.write(f"{name}\n")


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def _run(file: Path, command: Sequence[str]) -> int:
    _bring_loopback_up()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as resolver:
        resolver.write("nameserver 127.0.0.1\n")
        resolver.flush()
        Path(resolver.name).chmod(0o644)
        subprocess.run(["mount", "--bind", resolver.name, str(RESOLVER_FILE.resolve())], check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 53))
            threading.Thread(target=_Recorder(listener, file).answer, daemon=True).start()
            process = subprocess.Popen(command)
            signal.signal(signal.SIGTERM, lambda *_: process.terminate())
            return process.wait()


if __name__ == "__main__":
    status = _run(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(abs(status))
