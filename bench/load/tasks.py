"""How many tasks a second become pictures.

All orders are sent as fast as they are accepted; then the clock runs on until the last picture is drawn. While it
runs, one connection asks after one task, fifty times a second, so that the asking costs the service next to nothing.
When the clock has stopped every task is read once, and those that are not completed are counted as missing.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final

from bench.load.connection import Connection, order, read
from bench.load.plans import TasksFound, TasksPlan, spread
from bench.load.window import Window

ASK_EVERY_S: Final = 0.02
LAST_TASKS: Final = 32
"""Tasks overtake each other a little: so many of the last ones are waited for before the clock stops."""


class Accepted:
    """What became of the orders. With a `callback_url`, each names that."""

    def __init__(self, callback_url: str = "") -> None:
        self._callback_url = callback_url
        self.tasks: list[tuple[str, str]] = []
        self.answered_in_s: list[float] = []
        self.refused = 0

    async def submit_all(
        self, connections: Sequence[Connection], keys: Sequence[str], orders: int, give_up_s: float
    ) -> None:
        """Order so many pictures over these connections, with these keys in turn."""
        numbers = iter(range(orders))
        await asyncio.gather(
            *(
                self._submit(connection, keys[index % len(keys)], numbers, give_up_s)
                for index, connection in enumerate(connections)
            )
        )

    async def _submit(self, connection: Connection, key: str, numbers: Iterator[int], give_up_s: float) -> None:
        """Order one picture after the other over one connection, as long as there are numbers left."""
        for number in numbers:
            sent_s = time.perf_counter()
            if sent_s > give_up_s:
                return
            task = await connection.ask_task(order(key, number, callback_url=self._callback_url))
            self.answered_in_s.append(time.perf_counter() - sent_s)
            if task is None:
                self.refused += 1
            else:
                self.tasks.append((key, task.id))


async def measure(plan: TasksPlan, window: Window) -> TasksFound:
    """Order, and wait for the last picture."""
    connections = [await Connection.open(plan.target) for _ in range(plan.connections)]
    accepted = Accepted()
    began_s = window.open()
    give_up_s = began_s + plan.time_max_s
    await accepted.submit_all(connections, plan.target.keys, plan.tasks, give_up_s)
    accepted_s = time.perf_counter()
    asking = await Connection.open(plan.target)
    for key, task_id in accepted.tasks[-LAST_TASKS:]:
        await ended(asking, key, task_id, give_up_s)
    ended_s = time.perf_counter()
    window.close()
    completed, last_wait_s = len(accepted.tasks), 0.0
    if plan.is_verified:
        completed, last_wait_s = await _verify(asking, accepted.tasks, give_up_s)
    for connection in (*connections, asking):
        connection.close()
    return TasksFound(
        completed=completed,
        missing=len(accepted.tasks) - completed,
        refused=accepted.refused,
        seconds=max(ended_s, last_wait_s) - began_s,
        accepted_in_s=accepted_s - began_s,
        accepting=spread(accepted.answered_in_s),
    )


async def _verify(asking: Connection, tasks: list[tuple[str, str]], give_up_s: float) -> tuple[int, float]:
    """How many are completed, and when one had last to be waited for."""
    completed, last_wait_s = 0, 0.0
    for key, task_id in tasks:
        status, was_waited_for = await ended(asking, key, task_id, give_up_s)
        completed += status == "completed"
        if was_waited_for:
            last_wait_s = time.perf_counter()
    return completed, last_wait_s


async def ended(asking: Connection, key: str, task_id: str, give_up_s: float) -> tuple[str, bool]:
    """A task's status when it has ended, or time is up; whether it had to be waited for."""
    was_waited_for = False
    while True:
        task = await asking.ask_task(read(key, task_id))
        if task is None or task.has_ended or time.perf_counter() > give_up_s:
            return ("refused" if task is None else task.status), was_waited_for
        was_waited_for = True
        await asyncio.sleep(ASK_EVERY_S)
