"""How many times a second a completed task is read over keep-alive connections, each waiting for its own answers."""

import asyncio
import time
from typing import Final

from bench.load.connection import Connection, order, read
from bench.load.plans import ReadsFound, ReadsPlan, spread
from bench.load.window import Window

TASK_TIMEOUT_S: Final = 30.0


async def measure(plan: ReadsPlan, window: Window) -> ReadsFound:
    """Have one task drawn for each connection, then read them."""
    keys = plan.target.keys
    connections = [await Connection.open(plan.target) for _ in range(plan.connections)]
    requests = [
        await request_of_completed(connection, keys[index % len(keys)], index)
        for index, connection in enumerate(connections)
    ]
    began_s = window.open()
    samples_s = await asyncio.gather(
        *(
            read_on(connection, request, began_s + plan.seconds)
            for connection, request in zip(connections, requests, strict=True)
        )
    )
    seconds = time.perf_counter() - began_s
    window.close()
    for connection in connections:
        connection.close()
    everything_s = [sample_s for samples in samples_s for sample_s in samples]
    return ReadsFound(reads=len(everything_s), seconds=seconds, reading=spread(everything_s))


async def read_on(connection: Connection, request: bytes, until_s: float) -> list[float]:
    """Read until then, over one connection; how long each answer took."""
    samples_s = []
    sent_s = time.perf_counter()
    while sent_s < until_s:
        answer = await connection.ask(request)
        answered_s = time.perf_counter()
        if answer.status != 200:
            raise RuntimeError(f"A read was refused with {answer.status}.")
        samples_s.append(answered_s - sent_s)
        sent_s = answered_s
    return samples_s


async def request_of_completed(connection: Connection, key: str, number: int) -> bytes:
    """The request that reads a completed task of that key."""
    task = await connection.ask_task(order(key, number))
    if task is None:
        raise RuntimeError("The service refused an order.")
    request = read(key, task.id)
    give_up_s = time.perf_counter() + TASK_TIMEOUT_S
    while not task.has_ended:
        if time.perf_counter() > give_up_s:
            raise RuntimeError(f"A task did not end within {TASK_TIMEOUT_S:g} seconds.")
        await asyncio.sleep(0.005)
        task = await connection.ask_task(request) or task
    return request
