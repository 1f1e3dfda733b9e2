"""What is measured of a service, in which order, and how much of it."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bench import costs, disk, loads, starts, usage
from bench.contender import HOST, Contender
from bench.easel_serve import EaselServe
from bench.findings import Findings
from bench.load.plans import (
    CallbacksFound,
    CallbacksPlan,
    DelayFound,
    DelayPlan,
    Found,
    Plan,
    ReadsFound,
    ReadsPlan,
    SlowFound,
    SlowPlan,
    StreamsFound,
    StreamsPlan,
    Target,
    TasksFound,
    TasksPlan,
    Unsupported,
    spread,
)
from bench.receiver import CallbackReceiver

ACCOUNTS: Final = 32
CONNECTIONS: Final = 32
TASKS_TIME_MAX_S: Final = 60.0
SLOW_ROUNDS: Final = 2
_Wanted = TypeVar("_Wanted", bound=Found)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    tasks: int
    warm_up_tasks: int
    delay_tasks: int
    reads_s: float
    starts: int
    streams: int
    events: int
    flushes_s: float
    callbacks: int
    slow_sockets: int
    slow_s: float


FULL: Final = Sizes(
    tasks=2000, warm_up_tasks=200, delay_tasks=200, reads_s=10, starts=3, streams=1000, events=200, flushes_s=2,
    callbacks=500, slow_sockets=1000, slow_s=5,
)  # fmt: skip
QUICK: Final = Sizes(
    tasks=200, warm_up_tasks=50, delay_tasks=30, reads_s=2, starts=1, streams=200, events=30, flushes_s=0.5,
    callbacks=100, slow_sockets=200, slow_s=1,
)  # fmt: skip


class Measuring:
    """One service's turn. It is started by this, and stopped by whoever made it."""

    def __init__(self, contender: Contender, folder: Path, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.findings = Findings(contender.name)
        self._contender = contender
        self._folder = folder
        self._sizes = sizes
        self._say = say
        self._keys: list[str] = []

    def everything(self) -> None:
        """All but callbacks and streams; the service runs on afterwards."""
        sizes, findings = self._sizes, self.findings
        findings.flushes_per_s = disk.flushes_per_second(self._folder, sizes.flushes_s)
        self._starts()
        keys = self._keys = self._contender.keys(ACCOUNTS)
        many, one = self._target(), Target(HOST, self._contender.port, keys[:1])
        self._load("warming up", self._tasks(many, sizes.warm_up_tasks), TasksFound)
        findings.delay = self._load("one task at a time", DelayPlan(one, sizes.delay_tasks), DelayFound)
        findings.tasks_of_many = self._load("tasks of 32 accounts", self._tasks(many, sizes.tasks), TasksFound)
        if len(keys) == 1:
            findings.tasks_of_one = findings.tasks_of_many
        else:
            findings.tasks_of_one = self._load("tasks of one account", self._tasks(one, sizes.tasks), TasksFound)
        findings.reads = self._load("reads", ReadsPlan(many, CONNECTIONS, sizes.reads_s), ReadsFound)
        findings.web_mb = usage.resident_mb(self._contender.parts()["web"])
        findings.slow = self._load(
            "slow connections", SlowPlan(many, sizes.slow_sockets, sizes.slow_s, SLOW_ROUNDS), SlowFound
        )

    def costs(self, service: EaselServe) -> None:
        """What a task costs the service that `everything` has left running."""
        self._say(f"{service.name}: costs of a task")
        try:
            self.findings.costs = costs.measure(service, self._keys, self._sizes.tasks)
        except loads.LoadFailed as error:
            self.findings.remarks.append(f"costs of a task: not measured, {error}")

    def callbacks(self, service: EaselServe, receiver: CallbackReceiver) -> None:
        """Callbacks of the service that `everything` has left running, to a receiver that it may call."""
        plan = CallbacksPlan(self._target(), receiver.target(), self._sizes.callbacks, CONNECTIONS, is_held=False)
        self.findings.callbacks = self._load("callbacks", plan, CallbacksFound)
        arrivals, ended_s = receiver.arrivals(), service.callbacks_wanted_at()
        self.findings.callback_delay = spread([at_s - ended_s[task_id] for task_id, at_s in arrivals.items()])
        closing = msgspec.structs.replace(plan, receiver=receiver.target(is_closing=True))
        self.findings.callbacks_closing = self._load("callbacks, each connection closed", closing, CallbacksFound)
        held = msgspec.structs.replace(plan, is_held=True)
        self.findings.callbacks_held = self._load("callbacks that wait", held, CallbacksFound)

    def _target(self) -> Target:
        return Target(HOST, self._contender.port, self._keys)

    def streams(self, contender: Contender) -> None:
        """Event streams, of the same data served by a contender that draws so slowly that its tasks wait."""
        self._say(f"{contender.name}: starting with a slow engine")
        contender.start()
        contender.wait_until_ready()
        self._contender = contender
        plan = StreamsPlan(self._target(), self._sizes.streams, self._sizes.events)
        self.findings.streams = self._load("event streams", plan, StreamsFound)

    def _starts(self) -> None:
        contender, findings = self._contender, self.findings
        self._say(f"{contender.name}: starting")
        findings.start_fresh_s = starts.first_accepted_s(contender)
        seconds = []
        for _ in range(self._sizes.starts):
            contender.wait_until_ready()
            contender.stop()
            seconds.append(starts.first_accepted_s(contender))
        findings.start_again_s = statistics.median(seconds)
        contender.wait_until_ready()

    def _tasks(self, target: Target, tasks: int) -> TasksPlan:
        return TasksPlan(target, tasks, CONNECTIONS, TASKS_TIME_MAX_S)

    def _load(self, what: str, plan: Plan, wanted: type[_Wanted]) -> _Wanted | None:
        """Do a plan; None, with a remark, where it failed or the service does not offer what it is about."""
        self._say(f"{self._contender.name}: {what}")
        try:
            found, shares = loads.run(self._contender, what, plan, wanted)
        except loads.LoadFailed as error:
            self.findings.remarks.append(f"{what}: not measured, {error}")
            return None
        if isinstance(found, Unsupported):
            self.findings.remarks.append(f"{what}: not measured, {found.reason}")
            return None
        self.findings.shares.append(shares)
        return found
