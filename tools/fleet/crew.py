"""A process with many simulated workers.

`python -m tools.fleet.crew PLAN`: the plan is JSON. The process prints `ready` when all workers are at work. For
each line of its standard input it prints what they did so far, and it ends when its standard input closes.
"""

import asyncio
import contextlib
import sys
from typing import Final

import msgspec
import uvloop

from easel.store.database import Database, RelaxedDatabase
from easel.store.sessions import Sessions
from tools.fleet.worker import Counts, SimulatedWorker

STARTS_PER_S: Final = 100
"""How many workers start in a second. If all connected at once, the server would refuse some."""


class CrewPlan(msgspec.Struct, frozen=True):
    """So many workers, and how they reach the database. With `shared_connections`, they share so many of them;
    otherwise each has two of its own."""

    workers: int
    url: str
    is_pooled: bool
    prepares: bool
    shared_connections: int | None
    steps: int


class CrewFound(msgspec.Struct, frozen=True):
    """What they did so far. `polls` counts the looks that found nothing."""

    completed: int
    polls: int
    unavailable: int


class Crew:
    """The workers of one process."""

    def __init__(self, plan: CrewPlan) -> None:
        self._plan = plan
        self._counts = Counts()
        self._start_s = plan.workers / STARTS_PER_S
        self._databases: list[Database | RelaxedDatabase] = []
        shared = None if plan.shared_connections is None else self._connect(max(2, plan.shared_connections // 2))
        self._workers = [
            SimulatedWorker(*(shared or self._connect(1)), plan.steps, self._counts) for _ in range(plan.workers)
        ]

    def _connect(self, each: int) -> tuple[Database, RelaxedDatabase]:
        sessions = Sessions(self._plan.is_pooled, None if self._plan.is_pooled else self._plan.url, self._plan.prepares)
        pair = Database(self._plan.url, each, sessions), RelaxedDatabase(self._plan.url, each, sessions)
        self._databases += pair
        return pair

    async def run(self) -> None:
        """Work until standard input closes, and answer each line."""
        working = [asyncio.create_task(self._work(number)) for number in range(len(self._workers))]
        await asyncio.sleep(self._start_s + 1)
        print("ready", flush=True)
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            counts = self._counts
            print(
                msgspec.json.encode(CrewFound(counts.completed, counts.polls, counts.unavailable)).decode(), flush=True
            )
        for task in working:
            task.cancel()
        for ended in await asyncio.gather(*working, return_exceptions=True):
            if isinstance(ended, Exception):
                print(repr(ended), file=sys.stderr)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(*(database.close() for database in self._databases))

    async def _work(self, number: int) -> None:
        await asyncio.sleep(self._start_s * number / len(self._workers))
        await self._workers[number].run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Crew(msgspec.json.decode(sys.argv[1], type=CrewPlan)).run())
