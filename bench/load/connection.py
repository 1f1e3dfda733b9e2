"""A minimal HTTP/1.1 client: one keep-alive connection, one request at a time, and minimal parsing.

It only understands answers with a Content-Length. It is meant for services under test on this machine.
"""

import asyncio
import re
from typing import Final, NamedTuple, cast

import msgspec

from bench.load.plans import Target

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)


class HttpAnswer(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes


class Task(msgspec.Struct):
    """What is looked at of a task's body."""

    id: str
    status: str

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in {"completed", "failed"}


_decode_task = msgspec.json.Decoder(Task).decode


class Connection(asyncio.Protocol):
    """One connection. Raises ConnectionError where the service hangs up."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._buffer = b""
        self._needed_bytes = 0
        self._head_bytes = 0

    @classmethod
    async def open(cls, target: Target) -> "Connection":
        """A fresh connection."""
        return await cls.connect(target.host, target.port)

    @classmethod
    async def connect(cls, host: str, port: int) -> "Connection":
        """A fresh connection to anybody."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    async def ask(self, request: bytes) -> HttpAnswer:
        """Send one request; its answer."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the service hung up")
        answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._transport.write(request)
        return await answer

    async def ask_task(self, request: bytes) -> Task | None:
        """Send one request; the task that answers it, or None where it was refused."""
        answer = await self.ask(request)
        return _decode_task(answer.body) if answer.status == 200 else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._needed_bytes:
            head_bytes = self._buffer.find(HEAD_END)
            if head_bytes < 0:
                return
            length = LENGTH.search(self._buffer, 0, head_bytes)
            self._head_bytes = head_bytes + len(HEAD_END)
            self._needed_bytes = self._head_bytes + (int(length[1]) if length else 0)
        if len(self._buffer) >= self._needed_bytes:
            self._finish()

    def _finish(self) -> None:
        answer = HttpAnswer(int(self._buffer[9:12]), self._buffer[self._head_bytes : self._needed_bytes])
        self._buffer, self._needed_bytes = b"", 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the service hung up"))


def order(key: str, number: int, *, wait_s: int | None = None, callback_url: str = "") -> bytes:
    """The request that orders a picture of 376x376; with `wait_s` its answer may be held until the picture is drawn,
    and with `callback_url` that address receives its callback."""
    callback = b',"callback_url":"%s"' % callback_url.encode() if callback_url else b""
    body = b'{"model":"z-image-turbo","prompt":"a cute cat, number %d","size":"376x376"%s}' % (number, callback)
    prefer = b"" if wait_s is None else b"Prefer: wait=%d\r\n" % wait_s
    return (
        b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%s"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (key.encode(), prefer, len(body), body)
    )


def read(key: str, task_id: str, *, about: str = "") -> bytes:
    """The request that reads a task, or, with `about`, what lies below it."""
    return _bodiless("GET", f"/v1/tasks/{task_id}{about}", key)


def get(path: str) -> bytes:
    """The request that reads anything that needs no key."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def cancel(key: str, task_id: str) -> bytes:
    """The request that cancels a task."""
    return _bodiless("POST", f"/v1/tasks/{task_id}/cancel", key, "Content-Length: 0\r\n")


def _bodiless(method: str, path: str, key: str, more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n{more}\r\n".encode()
