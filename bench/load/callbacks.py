"""How many callbacks a second reach a receiver that answers at once.

Orders are sent as fast as they are accepted, each with the receiver's address; the clock runs from the first POST to
the last callback, so that drawing is in it. Or the receiver holds its answers back until every task has ended: then
the clock runs from the moment when it lets go, and is about delivering alone. The receiver's own count says what has
been delivered, and it is asked fifty times a second.
"""

import asyncio
import time
from typing import Final

import msgspec

from bench.load.connection import Connection, get
from bench.load.plans import CallbacksFound, CallbacksPlan
from bench.load.tasks import ASK_EVERY_S, Accepted, ended
from bench.load.window import Window

TIME_MAX_S: Final = 60.0
HELD_S: Final = 0.5
"""From the last task's end to the release: as many as may are delivering then, and the rest waits."""


class _Control:
    """The receiver, asked about itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, what: str) -> int:
        """Tell it to do that, or ask it for its count; the count."""
        answer = await self._connection.ask(get(what))
        if answer.status != 200:
            raise RuntimeError(f"The receiver answered {answer.status}.")
        return msgspec.json.decode(answer.body, type=int)

    async def await_count(self, wanted: int, give_up_s: float) -> int:
        """Its count when it is so much, or time is up."""
        while True:
            count = await self.ask("/count")
            if count >= wanted or time.perf_counter() > give_up_s:
                return count
            await asyncio.sleep(ASK_EVERY_S)


async def measure(plan: CallbacksPlan, window: Window) -> CallbacksFound:
    """Order, and wait for the last callback."""
    to = plan.receiver
    connections = [await Connection.open(plan.target) for _ in range(plan.connections)]
    control_connection = await Connection.connect(to.control_host, to.control_port)
    control, accepted = _Control(control_connection), Accepted(to.url)
    before = await control.ask("/hold" if plan.is_held else "/count")
    began_s = time.perf_counter() if plan.is_held else window.open()
    give_up_s = began_s + TIME_MAX_S
    await accepted.submit_all(connections, plan.target.keys, plan.tasks, give_up_s)
    if plan.is_held:
        for key, task_id in accepted.tasks:
            await ended(connections[0], key, task_id, give_up_s)
        await asyncio.sleep(HELD_S)
        began_s = window.open()
        before = await control.ask("/release")
    delivered = await control.await_count(before + len(accepted.tasks), give_up_s) - before
    seconds = time.perf_counter() - began_s
    window.close()
    for connection in (*connections, control_connection):
        connection.close()
    return CallbacksFound(wanted=len(accepted.tasks), delivered=delivered, refused=accepted.refused, seconds=seconds)
