"""Receivers of callbacks on loopback: TLS servers with certificates of the tests' own authority."""

import contextlib
import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import trustme

GIVE_UP_S: Final = 20.0
Behaviour = Callable[[socket.socket], None]


class Authority:
    """A certificate authority, and the certificates that it issues."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def write(self, path: Path) -> Path:
        """Write the authority's own certificate to a file."""
        self._ca.cert_pem.write_to_path(str(path))
        return path

    def context(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """A TLS server context with a certificate for these names or addresses."""
        now = datetime.datetime.now(datetime.UTC)
        times: dict[str, Any] = {}
        if expired:
            times = {"not_before": now - datetime.timedelta(days=9), "not_after": now - datetime.timedelta(days=1)}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names, **times).configure_cert(context)
        return context

    def certify(self, context: ssl.SSLContext, *names: str) -> None:
        """Give a TLS server context another certificate, for these names, from the next connection on."""
        self._ca.issue_cert(*names).configure_cert(context)

    def trusted_by(self, context: ssl.SSLContext) -> None:
        """Make a context require client certificates of this authority."""
        self._ca.configure_trust(context)


class TlsReceiver:
    """Gives every connection to `behaviour`, in a thread of its own, which must not outlive what it is told.

    With a context the behaviour meets decrypted data, without one what comes on the wire."""

    def __init__(self, listener: socket.socket, behaviour: Behaviour, context: ssl.SSLContext | None) -> None:
        self.port: int = listener.getsockname()[1]
        self.connections = 0
        self.server_names: list[str | None] = []
        self._listener, self._behaviour, self._context = listener, behaviour, context
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        if context is not None:
            context.sni_callback = lambda _socket, name, _context: self.server_names.append(name)

    def serve(self) -> None:
        """Accept connections until `stop`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(GIVE_UP_S)
            # Else the system may hold an answer back, and drop it where a behaviour ends without reading everything.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
            thread = threading.Thread(target=self._meet, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End all connections and threads."""
        for connection in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection in self._sockets:
            connection.close()

    def _meet(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._context is None:
                self._behaviour(connection)
                return
            with self._context.wrap_socket(connection, server_side=True) as secured:
                self._sockets.append(secured)
                self._behaviour(secured)


@contextlib.contextmanager
def tls_receiver(
    behaviour: Behaviour, context: ssl.SSLContext | None, address: str = "127.0.0.1"
) -> Iterator[TlsReceiver]:
    """A running receiver on a free port of a loopback address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        receiver = TlsReceiver(listener, behaviour, context)
        thread = threading.Thread(target=receiver.serve)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.stop()
            thread.join(10)


def read_request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read the headers and body of a request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += _some(connection)
    return head, body


def answering(answer: bytes) -> Behaviour:
    """Read the request, answer with these bytes, and close."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return behave


def waiting(connection: socket.socket) -> None:
    """Read everything and send nothing until the other side closes."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Reset a connection instead of closing it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the request ended too early")
    return data
