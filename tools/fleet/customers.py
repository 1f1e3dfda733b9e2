"""A process with the clients of many accounts, one of which floods.

`python -m tools.fleet.customers PLAN`: the plan is JSON. An ordinary account orders one picture after another with
random pauses. The flooding account orders as fast as it is answered, and waits when it is refused. The process ends
after the plan's seconds, and prints what was accepted.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import uvloop
from bench.load.connection import Connection, order

from easel.live import background_tasks

FLOODING: Final = 0
"""The flooding account is the first."""
REFUSED_PAUSE_S: Final = 0.1


class CustomersPlan(msgspec.Struct, frozen=True):
    """The keys of the accounts, the ports of the web processes, the ordinary accounts' orders a second all together,
    and over how many connections the flooding account orders."""

    keys: list[str]
    ports: list[int]
    seconds: float
    orders_per_s: float
    flooding_connections: int


class CustomersFound(msgspec.Struct, frozen=True):
    """How many orders were accepted and refused, and how long an ordinary order waited for its answer."""

    accepted: int
    flooded: int
    refused: int
    answered_p50_ms: float
    answered_p99_ms: float


class Customers:
    """All clients of one process."""

    def __init__(self, plan: CustomersPlan) -> None:
        self._plan = plan
        self._accepted = self._flooded = self._refused = 0
        self._answered_in_s: list[float] = []

    async def run(self) -> CustomersFound:
        """Order until the plan's seconds have passed."""
        plan = self._plan
        ordinary = [self._order_now_and_then(number) for number in range(1, len(plan.keys))]
        flooding = [self._flood(number) for number in range(plan.flooding_connections)]
        working = [asyncio.create_task(each) for each in (*ordinary, *flooding)]
        await asyncio.sleep(plan.seconds)
        await background_tasks.cancel_all(working)
        times_ms = sorted(1000 * each_s for each_s in self._answered_in_s) or [0.0]
        p50, p99 = (times_ms[int(share * (len(times_ms) - 1))] for share in (0.5, 0.99))
        return CustomersFound(self._accepted, self._flooded, self._refused, p50, p99)

    async def _order_now_and_then(self, account: int) -> None:
        pause_s = len(self._plan.keys) / self._plan.orders_per_s
        async for connection in self._connections(account):
            await asyncio.sleep(random.uniform(0, 2 * pause_s))  # noqa: S311
            sent_s = time.perf_counter()
            task = await connection.ask_task(order(self._plan.keys[account], account))
            self._answered_in_s.append(time.perf_counter() - sent_s)
            self._accepted += task is not None
            self._refused += task is None

    async def _flood(self, number: int) -> None:
        async for connection in self._connections(number):
            task = await connection.ask_task(order(self._plan.keys[FLOODING], number))
            self._flooded += task is not None
            self._refused += task is None
            if task is None:
                await asyncio.sleep(REFUSED_PAUSE_S)

    async def _connections(self, number: int) -> AsyncIterator[Connection]:
        """One connection, again and again."""
        connection = await Connection.connect("127.0.0.1", self._plan.ports[number % len(self._plan.ports)])
        while True:
            yield connection


if __name__ == "__main__":
    plan = msgspec.json.decode(sys.argv[1], type=CustomersPlan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(Customers(plan).run())
    print(msgspec.json.encode(found).decode())
