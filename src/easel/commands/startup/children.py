"""Starts and supervises the children of `easel serve`, and of `easel web` with several web processes.

The first processes are forks of the supervisor where that is possible, because a start of the interpreter with all
imports takes half a second of processor time. A child that ends is replaced by a process of its own.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Final

import click

from easel.assembly.installation import Installation
from easel.commands.startup import metrics_ports
from easel.commands.startup.listening import listen_for_each
from easel.live import shared_limits
from easel.outside.judges import rulebook
from easel.outside.postgres import private_postgres
from easel.runtime import forked, process_title
from easel.runtime.forked import Fork
from easel.settings import config_file, settings
from easel.settings.settings import Settings, SettingsWrong
from easel.supervisor import ChildPlan, Supervisor, stop_signals

WEB_LISTENERS: Final = 1
WORKER_LISTENERS: Final = 1
COMMAND_CONNECTIONS: Final = 10
"""Connections reserved for other commands and for the supervisor."""
_EASEL: Final = (sys.executable, "-m", "easel")


class EarlyStop:
    """Holds back a signal that arrives while the database starts, because interrupting that could leave a half-started
    server behind. A second signal ends the process anyway."""

    def __init__(self) -> None:
        self._was_asked = False
        self._stop: Callable[[], None] | None = None
        for number in stop_signals():
            signal.signal(number, self._on_signal)

    @property
    def was_asked(self) -> bool:
        """Whether a signal has arrived."""
        return self._was_asked

    def hand_over(self, stop: Callable[[], None]) -> None:
        """Call `stop` for a signal that has arrived, and for later ones until another handler takes over."""
        self._stop = stop
        if self._was_asked:
            stop()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._was_asked:
            sys.exit(128 + number)
        self._was_asked = True
        if self._stop is not None:
            self._stop()


class Preloading:
    """Imports what children need, in a thread, while the database starts."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._thread = threading.Thread(target=self._load, name="preloading")
        self._error: BaseException | None = None
        self._thread.start()

    def _load(self) -> None:
        try:
            for module in self._modules:
                import_module(module)
            rulebook.load()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error

    def wait(self) -> None:
        """Wait for the end. Raises what an import raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error


class WebSockets:
    """The sockets of the web processes, one for each, and the memory for the limits that they share."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self.sockets = sockets
        self._limits = shared_limits.create(len(sockets)) if len(sockets) > 1 else None

    def plans(self, environment: Mapping[str, str]) -> list[ChildPlan]:
        """How to start each web process."""
        return [
            self._plan(number, listening, metrics_ports.moved(environment, by=number - 1))
            for number, listening in enumerate(self.sockets, start=1)
        ]

    def _plan(self, number: int, listening: socket.socket, environment: Mapping[str, str]) -> ChildPlan:
        descriptor = listening.fileno()
        command = [*_EASEL, "web", "--supervised-socket", str(descriptor)]
        if self._limits is None:
            return ChildPlan("web", command, environment, [descriptor])
        command += ["--supervised-number", str(number), "--shared-limits", str(self._limits)]
        return ChildPlan(f"web {number}", command, environment, [descriptor, self._limits])

    def stop_listening(self) -> None:
        """Refuse new connections, so that clients and load balancers go elsewhere."""
        for listening in self.sockets:
            listening.close()

    def close(self) -> None:
        """Release everything."""
        self.stop_listening()
        if self._limits is not None:
            os.close(self._limits)


def web_sockets(config: Settings) -> WebSockets:
    """The sockets that the settings ask for. Raises SettingsWrong."""
    return WebSockets(listen_for_each(config.host, config.port, config.web_processes))


def worker_plans(devices: Sequence[str], environment: Mapping[str, str], webs: int) -> list[ChildPlan]:
    """How to start a worker for each device, beside this many web processes."""
    return [
        ChildPlan(
            f"worker {number}",
            [*_EASEL, "worker", "--supervised"],
            {**metrics_ports.moved(environment, by=webs + number - 1), "EASEL_DEVICE": device},
        )
        for number, device in enumerate(devices, start=1)
    ]


def environment_of_children(config: Settings, installed: Installation) -> dict[str, str]:
    """The environment of every child: this process's own, with the installation's database and secret."""
    # With the settings of the file: children that start later get the same ones, even if the file has changed.
    environment = settings.with_file() | {
        "EASEL_DATABASE_URL": installed.database_url,
        "EASEL_DATA_DIR": str(config.data_dir),
        "EASEL_PORT": str(config.port),
        # Pass the secret itself: children that start later get the same one, even if the file has changed.
        "EASEL_SECRET": installed.secret.text,
        "PYTHONUNBUFFERED": "1",
    }
    for name in ("EASEL_SECRET_FILE", config_file.VARIABLE):
        environment.pop(name, None)
    return environment


def supervise(
    config: Settings,
    installed: Installation,
    sockets: WebSockets,
    plans: Sequence[ChildPlan],
    early: EarlyStop,
    on_ready: Callable[[], None],
) -> int:
    """Keep the children running until a signal or an unusable child ends it. Returns the exit status."""
    forks = _forks(plans) if forked.is_possible() else {}
    supervisor = Supervisor(
        plans,
        installed.private.ensure_running if installed.private else None,
        on_ready=on_ready,
        # New connections are refused from here on, so that clients and load balancers go elsewhere at once.
        on_stopping=sockets.stop_listening,
        drain_timeout_s=config.drain_timeout_s,
        forks=forks,
    )
    early.hand_over(supervisor.stop)
    status = asyncio.run(supervisor.run())
    # Only the database is left to stop. That takes a bounded time and must not be interrupted.
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
    return status


def _forks(plans: Sequence[ChildPlan]) -> dict[str, Fork]:
    """A running fork for each plan."""
    return {plan.name: _fork(plan) for plan in plans}


def _fork(plan: ChildPlan) -> Fork:
    arguments = plan.command[len(_EASEL) :]

    def run() -> None:
        process_title.show_arguments(click.get_current_context().info_name or "", arguments)
        main = click.get_current_context().find_root().command
        main(args=list(arguments), prog_name="easel")

    return forked.fork(run, plan.environment, plan.inherited)


def check_connections(config: Settings, workers: int) -> None:
    """Check that the private PostgreSQL allows the connections of all processes. Raises SettingsWrong."""
    of_webs = config.web_processes * (config.database_connections + WEB_LISTENERS)
    of_workers = workers * (config.database_connections + WORKER_LISTENERS)
    needed = of_webs + of_workers + COMMAND_CONNECTIONS
    if config.database_url is None and needed > private_postgres.CONNECTIONS_MAX:
        webs = "1 web process" if config.web_processes == 1 else f"{config.web_processes} web processes"
        raise SettingsWrong(
            f"{webs} and {workers} {'worker' if workers == 1 else 'workers'} may need {needed} connections, but the "
            f"private PostgreSQL allows {private_postgres.CONNECTIONS_MAX}: lower EASEL_DATABASE_CONNECTIONS, "
            "EASEL_WEB_PROCESSES or EASEL_WORKERS, or use your own server (EASEL_DATABASE_URL)."
        )
