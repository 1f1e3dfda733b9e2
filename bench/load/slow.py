"""How a thousand slow clients affect a good one: the time of a read with and without them.

One connection reads one completed task again and again, and waits for each answer. Rounds with and without the crowd
alternate against the same service, so that other load on the machine affects both. The crowd is a separate process
(`crowd.py`), so that reopening its connections does not delay the reads here, although it uses the same machine.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from bench.load import crowd
from bench.load.connection import Connection
from bench.load.plans import CrowdFound, SlowFound, SlowPlan, spread
from bench.load.reads import read_on, request_of_completed
from bench.load.window import Window

OPENING_S_MAX: Final = 5.0
OPENED_PER_S: Final = 200
FULL_TIMEOUT_S: Final = 30.0
SETTLE_S: Final = 1.0
"""After the crowd has come, or gone."""
WARM_UP_S: Final = 0.1


async def measure(plan: SlowPlan, window: Window) -> SlowFound:
    """Read alone and beside the crowd, so many times by turns."""
    connection = await Connection.open(plan.target)
    request = await request_of_completed(connection, plan.target.keys[0], 0)
    connection.close()
    alone_s: list[float] = []
    beside_s: list[float] = []
    crowds: list[CrowdFound] = []
    window.open()
    for _ in range(plan.rounds):
        alone_s += await _read(plan, request)
        async with _crowd(plan, crowds):
            beside_s += await _read(plan, request)
        await asyncio.sleep(SETTLE_S)
    window.close()
    return SlowFound(
        alone=spread(alone_s),
        beside=spread(beside_s),
        sockets=plan.sockets,
        open_at_least=min(each.open_at_least for each in crowds),
        opened=sum(each.opened for each in crowds),
        reads=len(alone_s) + len(beside_s),
    )


async def _read(plan: SlowPlan, request: bytes) -> list[float]:
    connection = await Connection.open(plan.target)
    await read_on(connection, request, time.perf_counter() + WARM_UP_S)
    samples_s = await read_on(connection, request, time.perf_counter() + plan.seconds)
    connection.close()
    return samples_s


@asynccontextmanager
async def _crowd(plan: SlowPlan, crowds: list[CrowdFound]) -> AsyncIterator[None]:
    """The crowd while it stands there; what it found is added when it has gone."""
    target = plan.target
    opening_s = min(OPENING_S_MAX, plan.sockets / OPENED_PER_S)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", crowd.__name__,
        target.host, str(target.port), target.keys[-1], str(plan.sockets), str(opening_s),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(FULL_TIMEOUT_S):
            if await process.stdout.readline() != crowd.FULL:
                raise RuntimeError("The slow clients could not all connect.")
        await asyncio.sleep(SETTLE_S)
        yield
        process.stdin.close()
        crowds.append(msgspec.json.decode(await process.stdout.readline(), type=CrowdFound))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
