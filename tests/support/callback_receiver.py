"""A receiver of callbacks: a real HTTPS server on loopback, with its own certificate authority and scripted answers.

Answers are set by path beforehand. Every request is kept, with the time at which its headers had arrived.
"""

import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from tests.support.patience import PATIENCE_S, eventually

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """A received request."""

    at_s: float
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Received], int | None]
"""The status to give; None closes the connection without one."""


class CallbackReceiver:
    """The running server. `answers` are by path; a path without one is answered with 200. Connections stay open."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "receiver-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.ca_file.chmod(0o644)
        self.answers: dict[str, Answer] = {}
        self.connections = 0
        self._received: dict[str, list[Received]] = defaultdict(list)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver.connections += 1

            def do_POST(self) -> None:
                receiver._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(tls)
        # The handshake is the handler's thread's, so that one client's does not hold up others.
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def settings(self) -> dict[str, str]:
        """The settings of a service that is allowed to call this receiver."""
        return {"callback_allow_hosts": f"{HOST}:{self.port}", "callback_ca_file": str(self.ca_file)}

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"https://{HOST}:{self.port}{path}"

    def received(self, path: str) -> list[Received]:
        """The requests received at a path so far."""
        return list(self._received[path])

    def await_received(self, path: str, count: int = 1, timeout_s: float = PATIENCE_S) -> list[Received]:
        """The requests received at a path. Waits until there are `count`."""
        eventually(lambda: len(self._received[path]) >= count, timeout_s, every_s=0.01)
        return self.received(path)

    def answer_in_turn(self, path: str, *statuses: int) -> None:
        """Answer with these statuses in turn, and then always with the last one."""
        self.answers[path] = lambda _: statuses[min(len(self._received[path]), len(statuses)) - 1]

    def stop(self) -> None:
        """Close it."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        at_s = time.time()
        length = min(int(handler.headers["content-length"] or 0), BODY_BYTES_MAX)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        received = Received(at_s, handler.path, headers, handler.rfile.read(length))
        self._received[handler.path].append(received)
        answer = self.answers.get(handler.path)
        status = 200 if answer is None else answer(received)
        if status is None:
            handler.close_connection = True
        else:
            handler.send_response(status)
            handler.send_header("content-length", "2")
            handler.end_headers()
            handler.wfile.write(b"ok")


@contextmanager
def receiving(folder: Path) -> Iterator[CallbackReceiver]:
    """A receiver that is stopped at the end of the block."""
    receiver = CallbackReceiver(folder)
    try:
        yield receiver
    finally:
        receiver.stop()
