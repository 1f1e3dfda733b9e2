"""The receiver of the customers' callbacks: HTTPS with its own certificate authority, and unreliable like real
receivers.

It answers most requests with 200, and by random choice some with 500, some late, and some not at all. It never accepts
requests to `REFUSING`. It keeps every request without judging it.
"""

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

HOST: Final = "127.0.0.1"
TAKING: Final = "/orders/"
REFUSING: Final = "/refused/"
HEAD_BYTES_MAX: Final = 64 * 1024
REQUEST_S_MAX: Final = 30.0
LATE_S_MAX: Final = 2.0
ANSWERS: Final[dict[str, int]] = {"200": 85, "500": 6, "none": 4, "200 late": 5}
"""The kinds of answers with their weights."""


@dataclass(slots=True)
class Received:
    """One request. `answered` is the status of the answer, 0 without an answer."""

    at_s: float
    path: str
    headers: Mapping[str, str]
    body: bytes
    answered: int = 0

    @property
    def message_id(self) -> str:
        """The id of the message."""
        return self.headers.get("webhook-id", "")


class Receiver:
    """The receiver. Its port and its authority exist from the start, so that a service can be configured with them."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.received: list[Received] = []
        self._rng = rng
        self._socket = socket.create_server((HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        authority = trustme.CA()
        self._authority_file = folder / "receiver-authority.pem"
        authority.cert_pem.write_to_path(str(self._authority_file))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self._tls)

    def settings(self) -> dict[str, str]:
        """The settings that allow a service to call this receiver."""
        return {
            "EASEL_CALLBACK_ALLOW_HOSTS": f"{HOST}:{self.port}",
            "EASEL_CALLBACK_CA_FILE": str(self._authority_file),
        }

    def url(self, seed: int, *, is_refused: bool) -> str:
        """The URL for the callback of the order with this seed."""
        return f"https://{HOST}:{self.port}{REFUSING if is_refused else TAKING}{seed}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Receive callbacks during the block."""
        server = await asyncio.start_server(self._serve, sock=self._socket, ssl=self._tls, limit=HEAD_BYTES_MAX)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection with one request. It is not an error if the service dies or is frozen meanwhile."""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ssl.SSLError):
            async with asyncio.timeout(REQUEST_S_MAX):
                received = await _request(reader)
                self.received.append(received)
                await self._answer(received, writer)
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(REQUEST_S_MAX):
                await writer.wait_closed()

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        (how,) = self._rng.choices(list(ANSWERS), weights=list(ANSWERS.values()))
        if how == "none":
            return
        if how.endswith("late"):
            await asyncio.sleep(self._rng.uniform(0, LATE_S_MAX))
        status = 500 if how == "500" or received.path.startswith(REFUSING) else 200
        received.answered = status
        writer.write(f"HTTP/1.1 {status} Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    at_s = time.time()
    line, *fields = head.split("\r\n")
    pairs = (field.partition(":") for field in fields if field)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(at_s, line.split(" ")[1], headers, body)
