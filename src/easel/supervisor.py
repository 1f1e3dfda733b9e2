"""The supervisor of `easel serve`: keeps web processes, workers and the private database running, and stops them.

Each child holds a pipe whose other end only this process has. However this process dies, the pipe closes, and the
children notice and stop. This process owns the listening sockets, so connections wait while a web process restarts.
`easel web` uses it too, for several web processes.
"""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from easel.runtime.forked import Fork, ForkedProcess

log = structlog.get_logger(__name__)

RESTART_AFTER_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
STEADY_AFTER_S: Final = 30.0
"""A child that has run for this long is restarted after the shortest delay."""
CHECK_DATABASE_EVERY_S: Final = 1.0
STOP_GRACE_S: Final = 10.0
EXIT_UNUSABLE: Final = 78
"""Exit status of a child with unusable settings. It is not restarted."""
READY: Final = b"ready\n"


def stop_signals() -> list[signal.Signals]:
    """The signals that stop the service: SIGTERM, SIGINT and, unless nohup ignores it, SIGHUP."""
    handles_hangup = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if handles_hangup else [])]


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """How to start one child. `inherited` lists the file descriptors that it inherits."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    inherited: Sequence[int] = ()


class Process(Protocol):
    """A running child."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """What it prints."""

    @property
    def returncode(self) -> int | None:
        """Its exit status; None while it runs."""

    def send_signal(self, signal: int) -> None:
        """Send it a signal."""

    async def wait(self) -> int:
        """Wait for its end. Returns its exit status."""


@dataclass(slots=True)
class _Child:
    plan: ChildPlan
    forked: Fork | None
    """The process that already runs when the supervisor starts."""
    process: Process | None = None
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)


async def _started(plan: ChildPlan) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *plan.command,
        env=dict(plan.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=plan.inherited,
        # Ctrl-C reaches only this process, which then stops its children in order.
        start_new_session=True,
    )


class Supervisor:
    """Runs children until it is told to stop.

    `ensure_database` is called every second, in a thread. `on_ready` is called once, when all children have become
    ready, and `on_stopping` just before they are stopped. `forks` are children that already run, by name. They are
    started from their plans only if they end.
    """

    def __init__(
        self,
        plans: Sequence[ChildPlan],
        ensure_database: Callable[[], None] | None,
        on_ready: Callable[[], None],
        on_stopping: Callable[[], None],
        drain_timeout_s: float,
        forks: Mapping[str, Fork] | None = None,
    ) -> None:
        self._children = [_Child(plan, (forks or {}).get(plan.name)) for plan in plans]
        self._ensure_database = ensure_database
        self._on_ready = on_ready
        self._on_stopping = on_stopping
        self._drain_timeout_s = drain_timeout_s
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Keep everything running until a signal or an unusable child ends it. Returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._on_signal)
        keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
        monitors = [asyncio.create_task(self._announce()), asyncio.create_task(self._watch_database())]
        await self._stopping.wait()
        self._on_stopping()
        await self._end(keepers)
        for task in monitors:
            task.cancel()
        await asyncio.gather(*monitors, return_exceptions=True)
        return self._status

    def stop(self) -> None:
        """Make `run` stop everything in order, even if it has not started yet."""
        self._stopping.set()

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            log.warning("shutdown_forced")
            self._signal_children(signal.SIGKILL)
        self.stop()

    async def _keep(self, child: _Child) -> None:
        failures = 0
        while child.forked is not None or not self._stopping.is_set():
            started_s = time.monotonic()
            try:
                status = await self._run_once(child)
            except Exception:  # the outermost loop: retries after any failure, such as a lack of memory
                log.exception("child_failed", child=child.plan.name)
                status = None
            if self._stopping.is_set():
                return
            if status == EXIT_UNUSABLE and not child.was_ready.is_set():
                self._status = EXIT_UNUSABLE
                self._stopping.set()
                return
            failures = 0 if time.monotonic() - started_s > STEADY_AFTER_S else failures + 1
            pause_s = RESTART_AFTER_S[min(failures, len(RESTART_AFTER_S) - 1)]
            log.warning("child_exited", child=child.plan.name, status=status, restart_in_s=pause_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _run_once(self, child: _Child) -> int:
        forked, child.forked = child.forked, None
        child.process = await (_started(child.plan) if forked is None else ForkedProcess.of(forked))
        if self._stopping.is_set():  # the other children were stopped while this one started
            child.process.send_signal(signal.SIGTERM)
        assert child.process.stdout is not None
        while line := await child.process.stdout.readline():
            if line == READY:
                child.was_ready.set()
                log.info("child_started", child=child.plan.name, pid=child.process.pid)
        return await child.process.wait()

    async def _announce(self) -> None:
        for child in self._children:
            await child.was_ready.wait()
        self._on_ready()

    async def _watch_database(self) -> None:
        while self._ensure_database is not None:
            await asyncio.sleep(CHECK_DATABASE_EVERY_S)
            try:
                await asyncio.to_thread(self._ensure_database)
            except Exception:  # the outermost loop: tries again after a second
                log.exception("database_check_failed")

    async def _end(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        self._signal_children(signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=self._drain_timeout_s + STOP_GRACE_S)
        if late:
            log.warning("shutdown_timed_out")
            self._signal_children(signal.SIGKILL)
            await asyncio.wait(late)
        for keeper in keepers:
            keeper.result()

    def _signal_children(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(number)
