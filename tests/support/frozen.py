"""Freezes processes for a moment, so that a test can act on a state that would otherwise have passed by.

A frozen worker holds what it has and reports nothing. Blocks have to be short, or it is taken for dead.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx2

from tests.support.faults import await_draw
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, read_task, submit

TRIES: Final = 20


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Freeze processes until the block ends."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # a test may have killed it
                os.kill(pid, signal.SIGCONT)


def workers_of(service: Service) -> list[int]:
    """The process ids of the workers of a service or a fleet."""
    if isinstance(service, Fleet):
        return [worker.pid for worker in service.workers if worker.poll() is None]
    children = {line["child"] for line in service.log_lines() if line["event"] == "child_started"}
    return [service.child_pid(child) for child in sorted(children) if child.startswith("worker")]


@contextmanager
def nobody_draws(service: Service) -> Iterator[None]:
    """Freeze all workers until the block ends."""
    with frozen(*workers_of(service)):
        yield


@contextmanager
def caught_drawing(service: Service, client: httpx2.Client, progress: int = 0) -> Iterator[dict[str, Any]]:
    """A task that is being drawn, has come this far, and gets no further until the block ends. It is the newest of its
    account."""
    for _ in range(TRIES):
        task = submit(client)
        await_draw(service, task["id"])
        eventually(lambda: read_task(client, task["id"])["progress"] >= progress, every_s=0.01)  # noqa: B023 - called at once
        with nobody_draws(service):
            if read_task(client, task["id"])["status"] == "processing":
                yield task
                return
    raise AssertionError("every draw had ended before it could be stopped")
