"""How long an idle service takes from the POST to the completed task, one task at a time.

The POST asks to be answered when the task has ended (`Prefer: wait`). A service that does not know this answers at
once, and is then asked after the task without any pause.
"""

import asyncio
import time
from typing import Final

from bench.load.connection import Connection, order, read
from bench.load.plans import DelayFound, DelayPlan, spread
from bench.load.window import Window

WAIT_S: Final = 30
REST_S: Final = 0.02
"""Between two tasks, so that what the service does after a task is not counted against the next."""
WARM_UP_TASKS: Final = 10


async def measure(plan: DelayPlan, window: Window) -> DelayFound:
    """Order one picture after the other."""
    connection = await Connection.open(plan.target)
    key = plan.target.keys[0]
    for number in range(WARM_UP_TASKS):
        await _drawn(connection, key, number)
    samples_s, answered = [], 0
    window.open()
    for number in range(plan.tasks):
        sent_s = time.perf_counter()
        answered += await _drawn(connection, key, WARM_UP_TASKS + number)
        samples_s.append(time.perf_counter() - sent_s)
        await asyncio.sleep(REST_S)
    window.close()
    connection.close()
    return DelayFound(delay=spread(samples_s), tasks=len(samples_s), answered=answered)


async def _drawn(connection: Connection, key: str, number: int) -> bool:
    """Order a picture and return when it is drawn; whether the POST's own answer said so."""
    task = await connection.ask_task(order(key, number, wait_s=WAIT_S))
    if task is None:
        raise RuntimeError("The service refused an order.")
    was_told = task.has_ended
    give_up_s = time.perf_counter() + WAIT_S
    while not task.has_ended:
        if time.perf_counter() > give_up_s:
            raise RuntimeError(f"A task did not end within {WAIT_S} seconds.")
        task = await connection.ask_task(read(key, task.id)) or task
    return was_told
