"""Posts to URLs that strangers chose, without ever reaching an address that the rule refuses.

Each attempt looks the name up once, judges every address, and dials one that was judged; one refused address refuses
them all. No redirect is followed, no proxy or cookie is known, and one deadline spans everything. The receiver's
status decides; what else it says is read a little, out of politeness, and thrown away.

It does not retry, sign or record, and it does not promise that a receiver got nothing when an attempt failed.
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
"""For the rest of an answer after its status. A receiver that is cut off while it writes would log an error."""
ADDRESSES_DIALLED_MAX: Final = 4
"""All are judged; so many are tried, each with its share of the time."""
_HEADERS: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "close",
    "content-type": "application/json",
    "user-agent": "easel",
}


class _Stopped(Exception):
    """An attempt ends before the receiver gave a status."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class SafeHttp:
    """Posts within the bounds of `destinations`. For one event loop; nothing is opened before the first post.

    `ca_file` holds certificate authorities to trust beside the system's. `nameservers`, each `ip` or `ip:port`, stand
    in for the system's. OSError if the file cannot be read, ValueError for a name server that is none.
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
        """Post a body once. Whatever the outside world does is an outcome, no exception.

        `headers` have lower-case names and go before the defaults. The duration ends with the status; the call may
        last FAREWELL_TIMEOUT_S longer, but never beyond `timeout_s`.
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
        """Give up every look-up. Posts that are under way must have been awaited or cancelled."""
        await self._names.close()

    async def judged_addresses(self, to: Receiver) -> list[Address]:
        """The addresses of a receiver, all of which may be dialled. Nothing is connected here."""
        addresses = [to.address] if to.address is not None else await self._look_up(to)
        if not all(self._destinations.may_dial(to.host, to.port, address) for address in addresses):
            raise _Stopped(AttemptOutcome.REFUSED)
        return addresses

    async def _look_up(self, to: Receiver) -> list[Address]:
        # An allowed host may stand in /etc/hosts or be short for one of the operator's own domains; no other may.
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
        with _blaming(AttemptOutcome.CONNECTION_FAILED):
            connection = await dialled(addresses[:ADDRESSES_DIALLED_MAX], to.port, until_s)
        return TlsConnection(connection, self._tls_context, to.host)


class _Exchange:
    """One request and its answer."""

    def __init__(self, connection: TlsConnection) -> None:
        self._connection = connection
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=RECEIVED_BYTES_MAX)

    async def status(self, request: h11.Request, body: bytes) -> int:
        """The status that a request is answered with."""
        with _blaming(AttemptOutcome.TLS_FAILED):
            await self._connection.shake_hands()
        try:
            await self._connection.send(self._rendered(request, body))
            event = await self._next()
            while isinstance(event, h11.InformationalResponse):
                event = await self._next()
        except ssl.SSLError:  # such as an alert over the client certificate that a receiver wants
            raise _Stopped(AttemptOutcome.TLS_FAILED) from None
        except (OSError, h11.RemoteProtocolError):
            raise _Stopped(AttemptOutcome.CONNECTION_FAILED) from None
        if not isinstance(event, h11.Response):
            raise _Stopped(AttemptOutcome.CONNECTION_FAILED)
        return event.status_code

    async def rest(self) -> None:
        """Read on to the end of the answer, whatever it holds."""
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
def _blaming(outcome: AttemptOutcome) -> Iterator[None]:
    """Any failure of the system or of TLS means that outcome."""
    try:
        yield
    except OSError:
        raise _Stopped(outcome) from None
