"""The measurements of one service; None for what was not measured."""

from dataclasses import dataclass, field

from bench.costs import Costs
from bench.load.plans import CallbacksFound, DelayFound, ReadsFound, SlowFound, Spread, StreamsFound, TasksFound
from bench.loads import Shares


@dataclass(slots=True)
class Findings:
    """Filled in one measurement after the other. Times in seconds, memory in MB of 1,000,000 bytes."""

    name: str
    flushes_per_s: float | None = None
    start_fresh_s: float | None = None
    start_again_s: float | None = None
    delay: DelayFound | None = None
    tasks_of_many: TasksFound | None = None
    tasks_of_one: TasksFound | None = None
    costs: Costs | None = None
    reads: ReadsFound | None = None
    streams: StreamsFound | None = None
    web_mb: float | None = None
    callbacks: CallbacksFound | None = None
    callbacks_closing: CallbacksFound | None = None
    callbacks_held: CallbacksFound | None = None
    callback_delay: Spread | None = None
    slow: SlowFound | None = None
    shares: list[Shares] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
