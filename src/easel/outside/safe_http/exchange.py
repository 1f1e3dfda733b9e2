"""One request and its answer on a connection, of which only the status counts.

The rest of the answer is read and discarded, so that the connection can carry another exchange. It has no time limits
of its own.
"""

import contextlib
import ssl

import h11

from easel.domain.delivery import AttemptOutcome
from easel.outside.safe_http.connection import RECEIVED_BYTES_MAX, TlsConnection


class Stopped(Exception):
    """An attempt ended before the receiver sent a status."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Exchange:
    """One exchange. It receives at most RECEIVED_BYTES_MAX, whatever the connection received before."""

    def __init__(self, connection: TlsConnection) -> None:
        self.has_received = False
        """Whether anything of an answer has arrived."""
        self._connection = connection
        self._connection.allow(RECEIVED_BYTES_MAX)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=RECEIVED_BYTES_MAX)

    async def status(self, request: h11.Request, body: bytes) -> int:
        """Send a request and return the status of the answer. Raises Stopped."""
        try:
            await self._connection.send(self._rendered(request, body))
            event = await self._next()
            while isinstance(event, h11.InformationalResponse):
                event = await self._next()
        except ssl.SSLError:  # such as an alert because the receiver wants a client certificate
            raise Stopped(AttemptOutcome.TLS_FAILED) from None
        except (OSError, h11.RemoteProtocolError):
            raise Stopped(AttemptOutcome.CONNECTION_FAILED) from None
        if not isinstance(event, h11.Response):
            raise Stopped(AttemptOutcome.CONNECTION_FAILED)
        return event.status_code

    async def rest(self) -> bool:
        """Read the rest of the answer and discard it. Returns whether the connection can carry another exchange: the
        answer ended where it said, nothing follows it, and the receiver does not want to close."""
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            while not isinstance(await self._next(), h11.EndOfMessage | h11.ConnectionClosed):
                pass
            return (
                self._http.our_state is h11.DONE
                and self._http.their_state is h11.DONE
                and self._http.trailing_data == (b"", False)
                and self._connection.is_quiet()
            )
        return False

    def _rendered(self, request: h11.Request, body: bytes) -> bytes:
        parts = [self._http.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
        return b"".join(part for part in parts if part)

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self._connection.receive()
            self.has_received |= bool(data)
            self._http.receive_data(data)
