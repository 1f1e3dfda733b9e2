"""A TLS connection to an address that was checked before. It counts every byte received.

TLS works on memory buffers and this module moves the bytes. Thus nothing but the given address is connected to, the
byte limit covers handshakes and empty records too, and connection errors can be distinguished from TLS errors.

It has no time limits of its own, except that each address but the last has only its share of the time.

TLS sessions are not resumed: it would save a third of a handshake, and the certificate would not be checked again.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from easel.domain.callback import Address

RECEIVED_BYTES_MAX: Final = 64 * 1024
_READ_BYTES: Final = 16 * 1024

T = TypeVar("T")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that trusts the system's authorities and those in `ca_file`, and offers only HTTP/1.1."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def dialled(addresses: Sequence[Address], port: int, until_s: float) -> tuple[Address, socket.socket]:
    """A connection to the first of the addresses that accepts one, and that address. Raises OSError if none does.

    Each has an even share of the time until `until_s` on the event loop's clock; the last has no limit.
    """
    loop = asyncio.get_running_loop()
    for position, address in enumerate(addresses[:-1]):
        share_s = (until_s - loop.time()) / (len(addresses) - position)
        with contextlib.suppress(OSError):
            async with asyncio.timeout(share_s):
                return address, await _dial(address, port)
    return addresses[-1], await _dial(addresses[-1], port)


async def _dial(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.ExitStack() as if_it_fails:
        connection = if_it_fails.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
        if_it_fails.pop_all()
    return connection


class TlsConnection:
    """TLS over a connected socket, which it owns from then on. The methods that wait raise OSError on failure
    (ssl.SSLError for TLS errors), and when more bytes have arrived than allowed, at first RECEIVED_BYTES_MAX."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = connection
        self._arrived = ssl.MemoryBIO()
        self._leaving = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_hostname=host)
        self._left_bytes = RECEIVED_BYTES_MAX

    def allow(self, received_bytes_max: int) -> None:
        """Receive at most so many bytes from now on."""
        self._left_bytes = received_bytes_max

    def is_quiet(self) -> bool:
        """Whether the connection is open and nothing has arrived on it but TLS's own messages. Does not wait."""
        try:
            with contextlib.suppress(BlockingIOError):
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    return False
                self._arrived.write(data)
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            pass
        return False

    async def shake_hands(self) -> None:
        """Do the TLS handshake, which checks the certificate."""
        await self._moving_bytes(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """Hand data to the system, which may not have sent it on return. `receive` notices if the other side has
        closed."""
        self._tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """Some bytes, or none at the end of the stream."""
        try:
            return await self._moving_bytes(lambda: self._tls.read(_READ_BYTES))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def close(self) -> None:
        """Close immediately. TLS's closing message is sent if the system accepts it without blocking."""
        with self._socket, contextlib.suppress(OSError):
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            if self._leaving.pending:
                self._socket.send(self._leaving.read())

    async def _moving_bytes(self, step: Callable[[], T]) -> T:
        """The result of a TLS operation, which is repeated until enough bytes have arrived."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        # A receiver may close as soon as it has answered; reading shows whether it has.
        with contextlib.suppress(OSError):
            if self._leaving.pending:
                await asyncio.get_running_loop().sock_sendall(self._socket, self._leaving.read())

    async def _fill(self) -> None:
        if self._left_bytes == 0:
            raise ConnectionAbortedError(f"more than {RECEIVED_BYTES_MAX} bytes")
        data = await asyncio.get_running_loop().sock_recv(self._socket, min(_READ_BYTES, self._left_bytes))
        self._left_bytes -= len(data)
        if data:
            self._arrived.write(data)
        else:
            self._arrived.write_eof()
