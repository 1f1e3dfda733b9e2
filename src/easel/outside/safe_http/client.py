"""Posts to untrusted URLs without ever connecting to an address that the rules refuse.

Each attempt resolves the name once, checks every address, and connects to one that was checked, or uses a connection to
one of them that an earlier attempt left open. If a single address is refused, the whole URL is refused. Redirects are
not followed, proxies and cookies are not used, and one deadline covers everything. Only the status of the answer
counts; a little of the rest is read and discarded.

This module does not sign or record, and does not retry, with one exception: if a connection that an earlier attempt
left open ends without a byte of an answer, the request is sent once more on a new one. So a receiver may have got the
request even if an attempt failed, and twice if one succeeded.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h11

from easel.domain.callback import Address, Destinations, Receiver, receiver
from easel.domain.delivery import ATTEMPT_TIMEOUT_S, Attempted, AttemptOutcome
from easel.outside.safe_http.connection import TlsConnection, dialled, tls_context
from easel.outside.safe_http.exchange import Exchange, Stopped
from easel.outside.safe_http.kept import KeptConnections, Open
from easel.outside.safe_http.names import Names, NameUnknown

FAREWELL_TIMEOUT_S: Final = 1.0
"""How long to read on after the status, because a receiver that is interrupted while writing would log an error."""
ADDRESSES_DIALLED_MAX: Final = 4
"""All addresses are checked; at most this many are tried, each with a share of the time."""
_HEADERS: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "easel",
}


@dataclass(frozen=True, slots=True)
class _Answered:
    """A status, and the exchange of which the rest is to be read."""

    used: Open
    exchange: Exchange
    status: int


class SafeHttp:
    """Posts to allowed `destinations`. For one event loop; nothing is opened before the first post.

    `ca_file` has certificate authorities to trust in addition to the system's. `nameservers`, each `ip` or `ip:port`,
    replace the system's. Raises OSError if the file cannot be read, and ValueError for an invalid name server.
    """

    def __init__(
        self,
        destinations: Destinations,
        *,
        ca_file: Path | None = None,
        nameservers: Sequence[str] = (),
        kept: KeptConnections | None = None,
    ) -> None:
        self._destinations = destinations
        self._tls_context = tls_context(ca_file)
        self._names = Names(nameservers)
        self._kept = kept or KeptConnections()

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
                    answered = await self._answered(to, _request(to, body, headers), body, _when(deadline))
                    status, ended_s = answered.status, time.monotonic()
                    farewell_until_s = asyncio.get_running_loop().time() + FAREWELL_TIMEOUT_S
                    deadline.reschedule(min(_when(deadline), farewell_until_s))
                    await self._part(answered)
            except Stopped as stopped:
                outcome = stopped.outcome
        if status is not None:
            outcome = AttemptOutcome.DELIVERED if 200 <= status < 300 else AttemptOutcome.ANSWERED
        return Attempted(outcome, status, round(1000 * ((ended_s or time.monotonic()) - began_s)))

    async def close(self) -> None:
        """Close the kept connections and abandon every lookup. Running posts must have been awaited or cancelled
        before."""
        self._kept.close()
        await self._names.close()

    async def judged_addresses(self, to: Receiver) -> list[Address]:
        """The addresses of a receiver, all of them allowed. Connects to nothing."""
        addresses = [to.address] if to.address is not None else await self._look_up(to)
        if not all(self._destinations.may_dial(to.host, to.port, address) for address in addresses):
            raise Stopped(AttemptOutcome.REFUSED)
        return addresses

    async def _look_up(self, to: Receiver) -> list[Address]:
        # Only a host that the operator allowed may be in /etc/hosts or use a search domain.
        name = to.host if self._destinations.allows(to) else f"{to.host}."
        try:
            return await self._names.addresses(name)
        except NameUnknown:
            raise Stopped(AttemptOutcome.DNS_FAILED) from None

    def _permitted(self, url: str) -> Receiver:
        if self._destinations.url_fault(url) is not None:
            raise Stopped(AttemptOutcome.REFUSED)
        return receiver(url)

    async def _answered(self, to: Receiver, request: h11.Request, body: bytes, until_s: float) -> _Answered:
        """Send a request on a kept connection or a new one, and return with the status of the answer."""
        addresses = await self.judged_addresses(to)
        kept = self._kept.take((to.host, to.port), addresses)
        if kept is not None:
            exchange = Exchange(kept.connection)
            try:
                return await _asked(kept, exchange, request, body)
            except Stopped:
                # The receiver may have closed it as it was taken.
                if exchange.has_received:
                    raise
        new = await self._connected(to, addresses, until_s)
        return await _asked(new, Exchange(new.connection), request, body)

    async def _connected(self, to: Receiver, addresses: Sequence[Address], until_s: float) -> Open:
        with _ending_as(AttemptOutcome.CONNECTION_FAILED):
            address, dialled_socket = await dialled(addresses[:ADDRESSES_DIALLED_MAX], to.port, until_s)
        connection = TlsConnection(dialled_socket, self._tls_context, to.host)
        with contextlib.ExitStack() as if_it_fails, _ending_as(AttemptOutcome.TLS_FAILED):
            if_it_fails.callback(connection.close)
            await connection.shake_hands()
            if_it_fails.pop_all()
        return Open(connection, (to.host, to.port), address, asyncio.get_running_loop().time())

    async def _part(self, answered: _Answered) -> None:
        """Read the rest of the answer, and keep or close the connection."""
        with contextlib.ExitStack() as if_not_kept:
            if_not_kept.callback(answered.used.connection.close)
            if await answered.exchange.rest():
                if_not_kept.pop_all()
                self._kept.keep(answered.used)


async def _asked(used: Open, exchange: Exchange, request: h11.Request, body: bytes) -> _Answered:
    """Send a request and return with the status of the answer. Closes the connection if there is none."""
    with contextlib.ExitStack() as if_it_fails:
        if_it_fails.callback(used.connection.close)
        status = await exchange.status(request, body)
        if_it_fails.pop_all()
    return _Answered(used, exchange, status)


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
        raise Stopped(outcome) from None
