"""A relay to a PostgreSQL server that answers some statements itself and hangs up, as servers and poolers do that
end."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_FIELDS: Final = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
FAREWELL: Final = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS
"""What a server sends that is being shut down."""
NONSENSE: Final = 2 * b"C\0\0\0\x0aBEGIN\0" + b"Z\0\0\0\x05T"
"""Two results of one command, which the driver cannot make sense of."""


class _Relay:
    """Answers `statement` so many times with `answer`, and hangs up. Passes on everything else."""

    def __init__(self, server_socket: str, statement: bytes, answer: bytes, times: int) -> None:
        self._server_socket = server_socket
        self._statement = statement
        self._answer = answer
        self.times = times
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def serve(self, listener: socket.socket) -> None:
        """Relay connections until the listener is closed."""
        self._sockets.append(listener)
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server_socket)
                self._sockets += [client, server]
                for source, target, is_watched in ((client, server, True), (server, client, False)):
                    thread = threading.Thread(target=self._copy, args=(source, target, is_watched))
                    self._threads.append(thread)
                    thread.start()

    def close(self) -> None:
        """Hang up all connections."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _copy(self, source: socket.socket, target: socket.socket, is_watched: bool) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                if is_watched and self.times and self._statement in received:
                    self.times -= 1
                    source.sendall(self._answer)
                    source.shutdown(socket.SHUT_RDWR)
                    break
                target.sendall(received)
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relayed(url: str, folder: Path, statement: bytes, answer: bytes, times: int) -> Iterator[str]:
    """The URL of a relay to a server, with its socket in a folder. Fails unless it gave its answer so many times."""
    there = conninfo_to_dict(url)
    name = f".s.PGSQL.{there['port']}"
    relay = _Relay(f"{there['host']}/{name}", statement, answer, times)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / name))
    listener.listen()
    serving = threading.Thread(target=relay.serve, args=[listener])
    serving.start()
    try:
        yield make_conninfo(url, host=str(folder))
    finally:
        relay.close()
        serving.join()
    assert relay.times == 0
