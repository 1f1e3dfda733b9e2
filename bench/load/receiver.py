"""A minimal receiver of callbacks: HTTPS with its own certificate authority, and 200 to every request.

`python -m bench.load.receiver FILE` writes the certificate of the authority to FILE and prints its two ports. The
second port speaks plain HTTP and controls the receiver:

- `/hold`: stop answering; `/release`: answer everything again, including the held requests;
- `/count`: how many different callbacks have been answered;
- `/arrivals`: for each task, when its callback first arrived, in Unix seconds.

Connections stay open for more callbacks, except those whose callback comes to CLOSING_PATH.

It understands what Easel sends, and does not check signatures.
"""

import asyncio
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec
import trustme
import uvloop

from bench.load.connection import HEAD_END, LENGTH

HOST: Final = "127.0.0.1"
READY: Final = "receiver is ready at "
ID_HEADER: Final = b"\nwebhook-id: msg_"
BACKLOG: Final = 1024
PATH: Final = "/callbacks"
CLOSING_PATH: Final = "/closing"
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LAST_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_UNKNOWN: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Arrivals:
    """What came, and who still waits for an answer."""

    def __init__(self) -> None:
        self.first_at_s: dict[str, float] = {}
        self._answered: set[str] = set()
        self._is_holding = False
        self._held: list[Callable[[], None]] = []

    def note(self, task_id: str, answer: Callable[[], bool]) -> None:
        """A callback has arrived; it is answered now, or when it is released, unless nobody is there any more."""
        self.first_at_s.setdefault(task_id, time.time())

        def answered() -> None:
            if answer():
                self._answered.add(task_id)

        if self._is_holding:
            self._held.append(answered)
        else:
            answered()

    def hold(self) -> int:
        """Answer nothing from now on."""
        self._is_holding = True
        return self.count()

    def release(self) -> int:
        """Answer everything, now and from now on; how many had been answered before."""
        before = self.count()
        self._is_holding = False
        held, self._held = self._held, []
        for answered in held:
            answered()
        return before

    def count(self) -> int:
        """How many different callbacks have been answered."""
        return len(self._answered)


class _Peer(asyncio.Protocol):
    """A connection whose requests are taken one after the other."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer += data
        head_bytes = self._buffer.find(HEAD_END)
        if head_bytes < 0:
            return
        length = LENGTH.search(self._buffer, 0, head_bytes)
        needed_bytes = head_bytes + len(HEAD_END) + (int(length[1]) if length else 0)
        if len(self._buffer) >= needed_bytes:
            head, self._buffer = self._buffer[:head_bytes], self._buffer[needed_bytes:]
            self.requested(head)

    def requested(self, head: bytes) -> None:
        """A request has arrived, body and all."""
        raise NotImplementedError

    def answer(self, answer: bytes, *, is_last: bool) -> bool:
        """Answer whoever asked; whether they were still there."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(answer)
        if is_last:
            self._transport.close()
        return True


class _Caller(_Peer):
    """Who delivers callbacks."""

    def requested(self, head: bytes) -> None:
        """Called when a request has arrived."""
        task_id = head.lower().partition(ID_HEADER)[2].partition(b"\r")[0].decode()
        is_last = head.split(b" ", 2)[1] == CLOSING_PATH.encode()
        self.arrivals.note(task_id, lambda: self.answer(_LAST_ANSWER if is_last else _ANSWER, is_last=is_last))


class _Examiner(_Peer):
    """Who measures."""

    def requested(self, head: bytes) -> None:
        """Called when a request has arrived."""
        asked: dict[bytes, Callable[[], object]] = {
            b"/hold": self.arrivals.hold,
            b"/release": self.arrivals.release,
            b"/count": self.arrivals.count,
            b"/arrivals": lambda: self.arrivals.first_at_s,
        }
        act = asked.get(head.split(b" ", 2)[1])
        if act is None:
            self.answer(_UNKNOWN, is_last=False)
            return
        body = msgspec.json.encode(act())
        self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body), is_last=False)


def _tls_context(authority_file: Path) -> ssl.SSLContext:
    """Our side of TLS; the authority's certificate goes into the file."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(authority_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    return context


async def receive(authority_file: Path) -> None:
    """Receive until the process is ended."""
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    context = _tls_context(authority_file)
    callers = await loop.create_server(lambda: _Caller(arrivals), HOST, 0, ssl=context, backlog=BACKLOG)
    examiners = await loop.create_server(lambda: _Examiner(arrivals), HOST, 0)
    ports = [server.sockets[0].getsockname()[1] for server in (callers, examiners)]
    sys.stdout.write(f"{READY}{ports[0]} {ports[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(receive(Path(sys.argv[1])))
