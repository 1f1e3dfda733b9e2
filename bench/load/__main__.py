"""The process of the load generator: reads a plan from standard input, writes the results to standard output."""

import asyncio
import resource
import sys
from typing import Final

import msgspec
import uvloop

from bench.load import callbacks, delay, reads, slow, streams, tasks
from bench.load.plans import (
    Answer,
    CallbacksPlan,
    DelayPlan,
    Found,
    Plan,
    ReadsPlan,
    SlowPlan,
    StreamsPlan,
    TasksPlan,
)
from bench.load.window import Window

OPEN_FILES: Final = 4096
_MEASURES: Final = {
    TasksPlan: tasks.measure,
    DelayPlan: delay.measure,
    ReadsPlan: reads.measure,
    StreamsPlan: streams.measure,
    CallbacksPlan: callbacks.measure,
    SlowPlan: slow.measure,
}


async def act(plan: Plan, window: Window) -> Found:
    """Run a plan."""
    found: Found = await _MEASURES[type(plan)](plan, window)  # type: ignore[operator]  # each takes its own plan
    return found


def main() -> None:
    """Run one plan."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))
    plan: Plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    window = Window()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(act(plan, window))
    sys.stdout.buffer.write(msgspec.json.encode(Answer(found, window.own_cpu)) + b"\n")


if __name__ == "__main__":
    main()
