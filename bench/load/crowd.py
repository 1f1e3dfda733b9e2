"""A crowd of slow clients in its own process: connections that stay open while nothing happens on them.

`python -m bench.load.crowd HOST PORT KEY COUNT OPENING_S`: a third of them has sent half a head, a third a whole head
and the start of a body, and a third nothing. Connections that the service closes are reopened at once. The process
prints `full` when all are open, and ends when its standard input closes. It then prints the lowest number of open
connections since, and the total number that it opened.
"""

import asyncio
import sys
from typing import Final, cast

import msgspec
import uvloop

from bench.load.plans import CrowdFound

FULL: Final = b"full\n"
AGAIN_AFTER_S: Final = 0.1


class _Slow(asyncio.Protocol):
    """One connection on which nothing goes on."""

    def __init__(self, sent: bytes) -> None:
        self.is_lost = asyncio.Event()
        self._sent = sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        cast("asyncio.Transport", transport).write(self._sent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.is_lost.set()


class Crowd:
    """All of them."""

    def __init__(self, host: str, port: int, key: str, count: int) -> None:
        self._host, self._port, self._count = host, port, count
        half_a_body = (
            f"POST /v1/images/generations HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
            'Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"model"'
        ).encode()
        self._beginnings = (b"GET /v1/tasks/ HTTP/1.1\r\nHost:", half_a_body, b"")
        self._open = self._opened = 0
        self._least: int | None = None

    async def gather(self, opening_s: float) -> None:
        """Stand there until cancelled. They come spread out over a while, so that they are not closed in step."""
        await asyncio.gather(*(self._stand(number, opening_s * number / self._count) for number in range(self._count)))

    def found(self) -> CrowdFound:
        """How many were open at least once they all had been, and how many were opened in all."""
        return CrowdFound(open_at_least=self._least or 0, opened=self._opened)

    async def _stand(self, number: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        loop, sent = asyncio.get_running_loop(), self._beginnings[number % len(self._beginnings)]
        while True:
            try:
                _, slow = await loop.create_connection(lambda: _Slow(sent), self._host, self._port)
            except OSError:
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            self._count_one(1)
            self._opened += 1
            await slow.is_lost.wait()
            self._count_one(-1)

    def _count_one(self, more: int) -> None:
        self._open += more
        if self._least is not None:
            self._least = min(self._least, self._open)
        elif self._open == self._count:
            self._least = self._open
            sys.stdout.buffer.write(FULL)
            sys.stdout.buffer.flush()


async def _stand(host: str, port: str, key: str, count: str, opening_s: str) -> None:
    crowd = Crowd(host, int(port), key, int(count))
    gathered = asyncio.create_task(crowd.gather(float(opening_s)))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    found = crowd.found()
    gathered.cancel()
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_stand(*sys.argv[1:]))
