"""The hostile clients, in a process of their own: `python -m tools.siege.attacks NAME TARGET`.

TARGET is JSON. The process prints "ready" once its clients are in place, attacks until its standard input closes or
SECONDS_MAX have passed, and finally prints how many answers of each status it received. It only attacks 127.0.0.1. It
runs at the lowest priority, so that the good client waits for the service and not for a processor that is busy
attacking.
"""

import asyncio
import contextlib
import json
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

SECONDS_MAX: Final = 120.0
OPENED_AT_ONCE: Final = 50
_ALIVE: Final = b"GET /healthz HTTP/1.1\r\nHost: siege\r\n\r\n"


@dataclass
class Target:
    """The target of an attack. Connections come from the client addresses in turn."""

    port: int
    count: int
    addresses: list[str]
    key: str
    picture: str
    task: str
    answers: Counter[str] = field(default_factory=Counter)

    async def connect(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect from the next address."""
        address = self.addresses[number % len(self.addresses)]
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))

    async def note(self, reader: asyncio.StreamReader) -> None:
        """Count an answer by its status."""
        line = await reader.readline()
        self.answers[line.split(b" ")[1].decode() if line.startswith(b"HTTP/") else "closed"] += 1


async def _without_end(work: Callable[[], Awaitable[None]]) -> None:
    """Repeat the work forever. A connection that the service closes is reopened shortly afterwards."""
    while True:
        with contextlib.suppress(OSError):
            await work()
        await asyncio.sleep(0.2)


async def pipeliner(target: Target, number: int) -> None:
    """Sends many requests at once. Every other client never reads the answers."""
    reader, writer = await target.connect(number)
    reading = asyncio.create_task(_take_all(reader)) if number % 2 else None
    try:
        while True:
            writer.write(_ALIVE * 500)
            await writer.drain()
    finally:
        if reading is not None:
            reading.cancel()
        writer.close()


async def _take_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def slow_reader(target: Target, number: int) -> None:
    """Requests a large picture and never reads it."""
    await _hold(target, number, f"GET {target.picture} HTTP/1.1\r\nHost: siege\r\n\r\n".encode())


async def idle(target: Target, number: int) -> None:
    """Sends nothing."""
    await _hold(target, number, b"")


async def _hold(target: Target, number: int, sent: bytes) -> None:
    """Send this, and read nothing until the service closes the connection."""
    loop = asyncio.get_running_loop()
    lost = asyncio.Event()
    address = target.addresses[number % len(target.addresses)]
    transport, _ = await loop.create_connection(lambda: _Deaf(lost), "127.0.0.1", target.port, local_addr=(address, 0))
    if sent:
        transport.pause_reading()
        transport.write(sent)
    await lost.wait()


class _Deaf(asyncio.Protocol):
    def __init__(self, lost: asyncio.Event) -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._lost.set()


async def stream(target: Target, number: int) -> None:
    """Follows a task's events."""
    reader, writer = await target.connect(number)
    head = f"GET /v1/tasks/{target.task}/events HTTP/1.1\r\nHost: siege\r\nAuthorization: Bearer {target.key}\r\n\r\n"
    try:
        writer.write(head.encode())
        await target.note(reader)
        await _take_all(reader)
    finally:
        writer.close()


async def slow_writer(target: Target, number: int) -> None:
    """Sends a head or a body one byte at a time."""
    reader, writer = await target.connect(number)
    body = f"POST /v1/images/generations HTTP/1.1\r\nHost: siege\r\nAuthorization: Bearer {target.key}\r\n"
    writer.write(body.encode() + b"Content-Length: 60000\r\n\r\n{" if number % 2 else b"GET / HTTP/1.1\r\nX: ")
    answered = asyncio.create_task(target.note(reader))
    try:
        while not answered.done():
            writer.write(b" ")
            await asyncio.sleep(0.5)
    finally:
        answered.cancel()
        writer.close()


async def endless_head(target: Target, number: int) -> None:
    """Sends a header that never ends, as long as the service accepts it."""
    _, writer = await target.connect(number)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: siege\r\nX: ")
        while not writer.is_closing():
            writer.write(b"a" * 65536)
            await writer.drain()
    except OSError:
        target.answers["closed"] += 1
    finally:
        writer.close()


async def readiness_asker(target: Target, number: int) -> None:
    """Asks over and over whether the service is ready."""
    reader, writer = await target.connect(number)
    try:
        while True:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: siege\r\n\r\n")
            await target.note(reader)
            await reader.readuntil(b'"}')
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


async def costly_prompt(target: Target, number: int) -> None:
    """Sends orders whose prompts have 2,000 characters from many scripts."""
    characters = "".join(chr(random.choice(_RANGES) + random.randrange(80)) for _ in range(2000))  # noqa: S311
    body = json.dumps({"model": "z-image-turbo", "prompt": characters, "size": "376x376"}).encode()
    head = (
        f"POST /v1/images/generations HTTP/1.1\r\nHost: siege\r\nAuthorization: Bearer {target.key}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await target.connect(number)
    try:
        writer.write(head.encode() + body)
        await target.note(reader)
    finally:
        writer.close()


_RANGES: Final = (0x30, 0x61, 0xC0, 0x400, 0x5D0, 0x620, 0x900, 0x3040, 0x4E00, 0xAC00, 0x1D4D0)

ATTACKS: Final[dict[str, Callable[[Target, int], Awaitable[None]]]] = {
    "pipeliners": pipeliner,
    "slow readers": slow_reader,
    "slow writers": slow_writer,
    "endless heads": endless_head,
    "idle connections": idle,
    "event streams": stream,
    "costly prompts": costly_prompt,
    "readiness askers": readiness_asker,
}


async def _attack(name: str, target: Target) -> None:
    opened = []
    for number in range(target.count):
        opened.append(asyncio.create_task(_without_end(lambda number=number: ATTACKS[name](target, number))))  # type: ignore[misc]
        if number % OPENED_AT_ONCE == OPENED_AT_ONCE - 1:
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    print("ready", flush=True)
    await asyncio.wait({asyncio.create_task(asyncio.to_thread(sys.stdin.read))}, timeout=SECONDS_MAX)
    print(json.dumps(target.answers), flush=True)


def main() -> None:
    """Run the attack."""
    os.nice(19)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    arguments: dict[str, Any] = json.loads(sys.argv[2])
    runner = asyncio.new_event_loop()
    runner.run_until_complete(_attack(sys.argv[1], Target(**arguments)))
    sys.stdout.flush()
    os._exit(0)  # the system closes thousands of connections faster


if __name__ == "__main__":
    main()
