"""Posts to untrusted URLs without ever connecting to an address that the rules refuse.

Each attempt resolves the name once, checks every address, and connects to one that was checked. If a single address is
refused, the whole URL is refused. Redirects are not followed, proxies and cookies are not used, and one deadline covers
everything. Only the status of the answer counts; a little of the rest is read and discarded.

This module does not retry, sign or record. A receiver may have got the request even if an attempt failed.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import h11

from easel.domain.callback import Address, Destinations, Receiver, receiver
from easel.domain.delivery import ATTEMPT_TIMEOUT_S, Attempted, AttemptOutcome
from easel.outside.safe_http.connection import RECEIVED_BYTES_MAX, TlsConnection, dialled, tls_context
from easel.outside.safe_http.names import Names, NameUnknown

FAREWELL_TIMEOUT_S: Final = 1.0
"""How long to read on after the status, because a receiver that is interrupted while writing would log an error."""
ADDRESSES_DIALLED_MAX: Final = 4
"""All addresses are checked; at most this many are tried, each with a share of the time."""
_HEADERS: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "close",
    "content-type": "application/json",
    "user-agent": "easel",
}


class _Stopped(Exception):
    """An attempt ended before the receiver sent a status."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class SafeHttp:
    """Posts to allowed `destinations`. For one event loop; nothing is opened before the first post.

    `ca_file` has certificate authorities to trust in addition to the system's. `nameservers`, each `ip` or `ip:port`,
    replace the system's. Raises OSError if the file cannot be read, and ValueError for an invalid name server.
    """

    def __init__(
        self, destinations: Destinations, *, ca_file: Path | None = None, nameservers: Sequence[str] = ()
    ) -> None:
        self._destinations = destinations
        self._tls_context = tls_context(ca_file)
        self._names = Names(nameservers)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = ATTEMPT_TIMEOUT_S
    ) -> Attempted:
        """Post a body once. Failures of the network and of the receiver are outcomes, not exceptions.

        `headers` have lower-case names and override the defaults. The measured duration ends with the status; the call
        may take FAREWELL_TIMEOUT_S longer, but never more than `timeout_s`.
        """
        began_s = time.monotonic()
        ended_s: float | None = None
        outcome, status = AttemptOutcome.TIMED_OUT, None
        with contextlib.suppress(TimeoutError):
            try:
                async with asyncio.timeout(timeout_s) as deadline:
                    to = self._permitted(url)
                    with contextlib.closing(await self._dialled(to, _when(deadline))) as connection:
                        exchange = _Exchange(connection)
                        status = await exchange.status(_request(to, body, headers), body)
                        ended_s = time.monotonic()
                        farewell_until_s = asyncio.get_running_loop().time() + FAREWELL_TIMEOUT_S
                        deadline.reschedule(min(_when(deadline), farewell_until_s))
                        await exchange.rest()
            except _Stopped as stopped:
                outcome = stopped.outcome
        if status is not None:
            outcome = AttemptOutcome.DELIVERED if 200 <= status < 300 else AttemptOutcome.ANSWERED
        return Attempted(outcome, status, round(1000 * ((ended_s or time.monotonic()) - began_s)))

    async def close(self) -> None:
        """Abandon every lookup. Running posts must have been awaited or cancelled before."""
        await self._names.close()

    async def judged_addresses(self, to: Receiver) -> list[Address]:
        """The addresses of a receiver, all of them allowed. Connects to nothing."""
        addresses = [to.address] if to.address is not None else await self._look_up(to)
        if not all(self._destinations.may_dial(to.host, to.port, address) for address in addresses):
            raise _Stopped(AttemptOutcome.REFUSED)
        return addresses

    async def _look_up(self, to: Receiver) -> list[Address]:
        # Only a host that the operator allowed may be in /etc/hosts or use a search domain.
        name = to.host if self._destinations.allows(to) else f"{to.host}."
        try:
            return await self._names.addresses(name)
        except NameUnknown:
            raise _Stopped(AttemptOutcome.DNS_FAILED) from None

    def _permitted(self, url: str) -> Receiver:
        if self._destinations.url_fault(url) is not None:
            raise _Stopped(AttemptOutcome.REFUSED)
        return receiver(url)

    async def _dialled(self, to: Receiver, until_s: float) -> TlsConnection:
        addresses = await self.judged_addresses(to)
        with _ending_as(AttemptOutcome.CONNECTION_FAILED):
            connection = await dialled(addresses[:ADDRESSES_DIALLED_MAX], to.port, until_s)
        return TlsConnection(connection, self._tls_context, to.host)


class _Exchange:
    """One request and its answer."""

    def __init__(self, connection: TlsConnection) -> None:
        self._connection = connection
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=RECEIVED_BYTES_MAX)

    async def status(self, request: h11.Request, body: bytes) -> int:
        """Send a request and return the status of the answer."""
        with _ending_as(AttemptOutcome.TLS_FAILED):
            await self._connection.shake_hands()
        try:
            await self._connection.send(self._rendered(request, body))
            event = await self._next()
            while isinstance(event, h11.InformationalResponse):
                event = await self._next()
        except ssl.SSLError:  # such as an alert because the receiver wants a client certificate
            raise _Stopped(AttemptOutcome.TLS_FAILED) from None
        except (OSError, h11.RemoteProtocolError):
            raise _Stopped(AttemptOutcome.CONNECTION_FAILED) from None
        if not isinstance(event, h11.Response):
            raise _Stopped(AttemptOutcome.CONNECTION_FAILED)
        return event.status_code

    async def rest(self) -> None:
        """Read the rest of the answer and discard it."""
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            while not isinstance(await self._next(), h11.EndOfMessage | h11.ConnectionClosed):
                pass

    def _rendered(self, request: h11.Request, body: bytes) -> bytes:
        parts = [self._http.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
        return b"".join(part for part in parts if part)

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._connection.receive())


def _request(to: Receiver, body: bytes, headers: Mapping[str, str]) -> h11.Request:
    fields = {"host": to.authority, **_HEADERS, **headers, "content-length": str(len(body))}
    return h11.Request(method="POST", target=to.target, headers=list(fields.items()))


def _when(deadline: asyncio.Timeout) -> float:
    when_s = deadline.when()
    assert when_s is not None
    return when_s


@contextlib.contextmanager
def _ending_as(outcome: AttemptOutcome) -> Iterator[None]:
    """End the attempt with this outcome at any OSError, including TLS errors."""
    try:
        yield
    except OSError:
        raise _Stopped(outcome) from None
