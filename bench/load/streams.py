"""How many event streams stay open at once, and how soon an event reaches one of them.

Every stream is of a task that waits for its turn, so nothing happens on it. Then tasks are cancelled one by one, the
last in the queue first, and the time is taken from sending the cancellation to the event that says so: it includes
the transaction that ends the task.
"""

import asyncio
import time
from typing import Final, cast

from bench.load.connection import HEAD_END, Connection, cancel, order, read
from bench.load.plans import StreamsFound, StreamsPlan, Target, Unsupported, spread
from bench.load.window import Window

EVENT_TIMEOUT_S: Final = 5.0
SUBMITTING_CONNECTIONS: Final = 32
OPENING_AT_ONCE: Final = 50
SETTLE_S: Final = 1.0
_END_EVENT: Final = b"event: failed"


class _Stream(asyncio.Protocol):
    """One open stream: it knows whether it was accepted, and when its last event came."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[int] = loop.create_future()
        self.ended_s: asyncio.Future[float] = loop.create_future()
        self.received_bytes = 0
        self._request = request
        self._tail = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        now_s = time.perf_counter()
        self.received_bytes += len(data)
        seen = self._tail + data
        if not self.begun.done():
            status = int(seen[9:12]) if len(seen) >= 12 else 0
            # The first event follows the headers at once: a stream is open when it has come.
            if status != 200 or b"\ndata:" in seen.partition(HEAD_END)[2]:
                self.begun.set_result(status)
        if _END_EVENT in seen and not self.ended_s.done():
            self.ended_s.set_result(now_s)
        self._tail = seen[-len(_END_EVENT) :] if self.begun.done() else seen

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if not self.begun.done():
            self.begun.set_result(0)

    @property
    def is_open(self) -> bool:
        """Whether the service keeps it open."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def measure(plan: StreamsPlan, window: Window) -> StreamsFound | Unsupported:
    """Open the streams, then end tasks one by one."""
    tasks = await _submit(plan.target, plan.streams)
    began_s = time.perf_counter()
    opening = asyncio.Semaphore(OPENING_AT_ONCE)
    streams = await asyncio.gather(*(_open(plan.target, key, task_id, opening) for key, task_id in tasks))
    opened_in_s = time.perf_counter() - began_s
    statuses = {stream.begun.result() for stream in streams}
    if 200 not in statuses:
        return Unsupported(f"the service has no event streams (HTTP {statuses})")
    await asyncio.sleep(SETTLE_S)
    opened = sum(stream.is_open and stream.begun.result() == 200 for stream in streams)
    received_bytes = sum(stream.received_bytes for stream in streams)
    last_first = list(zip(tasks, streams, strict=True))[::-1][: plan.events]
    connection = await Connection.open(plan.target)
    window.open()
    samples = [
        await _end_one(connection, key, task_id, stream) for (key, task_id), stream in last_first if stream.is_open
    ]
    window.close()
    pushed_bytes = sum(stream.received_bytes for stream in streams) - received_bytes
    for stream in streams:
        stream.close()
    connection.close()
    delays_s = [delay_s for delay_s, _ in samples if delay_s is not None]
    return StreamsFound(
        opened=opened,
        opened_in_s=opened_in_s,
        delay=spread(delays_s),
        answering=spread([answered_in_s for _, answered_in_s in samples]),
        lost=len(samples) - len(delays_s),
        pushed_bytes=pushed_bytes,
    )


async def _submit(target: Target, tasks: int) -> list[tuple[str, str]]:
    """Tasks in the order in which they were accepted, with the key of each."""
    accepted: list[tuple[str, str]] = []
    numbers = iter(range(tasks))

    async def submit(key: str) -> None:
        connection = await Connection.open(target)
        for number in numbers:
            task = await connection.ask_task(order(key, number))
            if task is None:
                raise RuntimeError("The service refused an order.")
            accepted.append((key, task.id))
        connection.close()

    keys = target.keys
    await asyncio.gather(*(submit(keys[index % len(keys)]) for index in range(SUBMITTING_CONNECTIONS)))
    return accepted


async def _open(target: Target, key: str, task_id: str, opening: asyncio.Semaphore) -> _Stream:
    request = read(key, task_id, about="/events")
    async with opening:
        _, stream = await asyncio.get_running_loop().create_connection(
            lambda: _Stream(request), target.host, target.port
        )
        await stream.begun
        return stream


async def _end_one(connection: Connection, key: str, task_id: str, stream: _Stream) -> tuple[float | None, float]:
    """Seconds from sending the cancellation to the stream's last event, and to the cancellation's own answer."""
    sent_s = time.perf_counter()
    await connection.ask(cancel(key, task_id))
    answered_in_s = time.perf_counter() - sent_s
    try:
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            return await stream.ended_s - sent_s, answered_in_s
    except TimeoutError:
        return None, answered_in_s
