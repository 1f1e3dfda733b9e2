"""`easel serve`: the whole service on one machine."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import click

import easel
from easel.actions import api_keys
from easel.actions.api_keys import IssuedKey
from easel.actions.audit_log import record_price
from easel.assembly.configuration import read_settings
from easel.assembly.engines import devices
from easel.assembly.installation import Installation, database_of, installation, pepper
from easel.commands.startup import start_warnings
from easel.commands.startup.first_process import take_in_orphans
from easel.commands.startup.listening import listen, takes_ipv4
from easel.commands.terminal.failures import explain_failures
from easel.domain.credits import credits_shown
from easel.outside.data_folder import service_lock
from easel.outside.postgres import private_postgres
from easel.runtime import distribution, logs, process_environment
from easel.settings import settings
from easel.settings.settings import Settings
from easel.store import schema
from easel.supervisor import ChildPlan, Supervisor, stop_signals

WAIT_FOR_ADDRESS_S: Final = 3.0
LISTENERS_OF_WEB: Final = 1
LISTENERS_OF_WORKER: Final = 2
CONNECTIONS_OF_COMMANDS: Final = 10
"""Kept free for the command line and for this process."""


@click.command(short_help="Run the whole service on this machine.")
@click.option("--host", help="Address to listen on (EASEL_HOST), by default 127.0.0.1.")
@click.option("--port", type=int, help="Port to listen on (EASEL_PORT), by default 8000.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data (EASEL_DATA_DIR).")
def serve(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Run the whole service: web, workers and, unless EASEL_DATABASE_URL is set, the database."""
    take_in_orphans()
    with explain_failures():
        read = read_settings(host=host, port=port, data_dir=data_dir)
        logs.configure("serve", read.log_format, read.log_level)
        start_warnings.show(read)
        devices = _devices_of_workers(read)
        _check_connections(read, len(devices))
        early = _EarlyStop()
        with (
            service_lock.held(read.data_dir) as lock,
            installation(read) as installed,
            _listen_patiently(read) as listening,
        ):
            first_key = asyncio.run(_prepare(read, installed))
            address = _address(listening)
            lock.announce(address)
            if first_key is not None:
                _show_first_key(first_key, read, address)
            supervisor = Supervisor(
                _plans(read, installed, listening, devices),
                installed.private.ensure_running if installed.private else None,
                on_ready=lambda: _say_ready(read, address),
                # From now on connections are refused, so that clients and load balancers turn elsewhere at once.
                on_stopping=listening.close,
                drain_timeout_s=read.drain_timeout_s,
            )
            early.leave_to(supervisor.stop)
            status = asyncio.run(supervisor.run())
            # Only the database is left to stop, which takes a bounded time and must not be broken off.
            for number in stop_signals():
                signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


class _EarlyStop:
    """Keeps a signal that comes while the database is being started: breaking that off could leave a half-started
    server behind. A second one ends the process all the same."""

    def __init__(self) -> None:
        self._was_asked = False
        self._stop: Callable[[], None] | None = None
        for number in stop_signals():
            signal.signal(number, self._on_signal)

    def leave_to(self, stop: Callable[[], None]) -> None:
        """Have `stop` called for a signal that came, and for one that comes before somebody else listens."""
        self._stop = stop
        if self._was_asked:
            stop()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._was_asked:
            sys.exit(128 + number)
        self._was_asked = True
        if self._stop is not None:
            self._stop()


async def _prepare(read: Settings, installed: Installation) -> IssuedKey | None:
    await schema.prepare(installed.database_url, installed.secret)
    database = database_of(read, installed)
    await database.open()
    try:
        await record_price(database, read.price_microcredits)
        return await api_keys.issue_first(database, pepper(installed.secret), read.first_microcredits)
    finally:
        await database.close()


def _devices_of_workers(read: Settings) -> list[str]:
    found = devices(read)
    workers = read.workers or len(found)
    return [found[index % len(found)] for index in range(workers)]


def _check_connections(read: Settings, workers: int) -> None:
    of_web = read.database_connections + LISTENERS_OF_WEB
    of_worker = read.database_connections + LISTENERS_OF_WORKER
    needed = of_web + workers * of_worker + CONNECTIONS_OF_COMMANDS
    if read.database_url is None and needed > private_postgres.CONNECTIONS_MAX:
        raise settings.SettingsWrong(
            f"{workers} workers may need {needed} connections and the private PostgreSQL has "
            f"{private_postgres.CONNECTIONS_MAX}: lower EASEL_DATABASE_CONNECTIONS or EASEL_WORKERS, "
            "or use a server of your own (EASEL_DATABASE_URL)."
        )


def _listen_patiently(read: Settings) -> socket.socket:
    """Listen; what a killed predecessor left on the address may need a moment to go."""
    give_up_s = time.monotonic() + WAIT_FOR_ADDRESS_S
    while True:
        try:
            return listen(read.host, read.port)
        except settings.SettingsWrong:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.1)


def _plans(read: Settings, installed: Installation, listening: socket.socket, devices: list[str]) -> list[ChildPlan]:
    environment = process_environment.copy() | {
        "EASEL_DATABASE_URL": installed.database_url,
        "EASEL_DATA_DIR": str(read.data_dir),
        # The very text, so that a child started later has the same, whatever became of the file.
        "EASEL_SECRET": installed.secret.text,
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("EASEL_SECRET_FILE", None)
    easel_command = [sys.executable, "-m", "easel"]
    descriptor = listening.fileno()
    plans = [
        ChildPlan("web", [*easel_command, "web", "--supervised-socket", str(descriptor)], environment, [descriptor])
    ]
    for number, device in enumerate(devices, start=1):
        plans.append(
            ChildPlan(
                f"worker {number}", [*easel_command, "worker", "--supervised"], environment | {"EASEL_DEVICE": device}
            )
        )
    return plans


def _address(listening: socket.socket) -> str:
    """Where this machine reaches the service, whatever address its clients use."""
    host, port = listening.getsockname()[:2]
    if host == "0.0.0.0" or (host == "::" and takes_ipv4(listening)):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _show_first_key(first_key: IssuedKey, read: Settings, address: str) -> None:
    """Shown before anything slow begins: this text exists nowhere else."""
    click.echo(f"""
The first key, of account "{first_key.account}" with {credits_shown(read.first_microcredits)} credits. It is shown only now:

    {first_key.key}

When Easel is ready, try it in another terminal:

    export EASEL_API_KEY={first_key.key} EASEL_URL={address}
    {distribution.command()} generate "a cute cat"
""")


def _say_ready(read: Settings, address: str) -> None:
    shown = read.public_url or address
    beside = "" if read.public_url is None else f" It listens at {address}."
    click.echo(f"Easel {easel.__version__} is ready at {shown} (engine {read.engine}; API page {shown}/docs).{beside}")
