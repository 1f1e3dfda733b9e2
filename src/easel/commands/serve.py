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
from easel.assembly.installation import Installation, installation, open_database, pepper, prepare_database
from easel.commands.startup import start_warnings
from easel.commands.startup.first_process import fork_if_first_process
from easel.commands.startup.listening import listen, takes_ipv4
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option, host_option, port_option
from easel.domain.credits import credits_shown
from easel.outside.data_folder import service_lock
from easel.outside.postgres import private_postgres
from easel.runtime import distribution, logs, process_environment
from easel.settings.settings import Settings, SettingsWrong
from easel.supervisor import ChildPlan, Supervisor, stop_signals

WAIT_FOR_ADDRESS_S: Final = 3.0
WEB_LISTENERS: Final = 1
WORKER_LISTENERS: Final = 1
COMMAND_CONNECTIONS: Final = 10
"""Connections reserved for other commands and for this process."""


@click.command(short_help="Run the whole service on this machine.")
@host_option
@port_option
@data_dir_option
def serve(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Run the whole service: web process, workers and, unless EASEL_DATABASE_URL is set, a private database."""
    fork_if_first_process()
    with explain_failures():
        start_warnings.show_environment_warnings()
        config = read_settings(host=host, port=port, data_dir=data_dir)
        logs.configure("serve", config.log_format, config.log_level)
        start_warnings.show_exposed_secret(config)
        worker_devices = _worker_devices(config)
        _check_connections(config, len(worker_devices))
        early = _EarlyStop()
        with (
            service_lock.held(config.data_dir) as lock,
            installation(config) as installed,
            _listen_with_patience(config) as listening,
        ):
            first_key = asyncio.run(_prepare(config, installed))
            address = _address(listening)
            lock.announce(address)
            if first_key is not None:
                _show_first_key(first_key, config, address)
            supervisor = Supervisor(
                _plans(config, installed, listening, worker_devices),
                installed.private.ensure_running if installed.private else None,
                on_ready=lambda: _say_ready(config, address),
                # New connections are refused from here on, so that clients and load balancers go elsewhere at once.
                on_stopping=listening.close,
                drain_timeout_s=config.drain_timeout_s,
            )
            early.hand_over(supervisor.stop)
            status = asyncio.run(supervisor.run())
            # Only the database is left to stop. That takes a bounded time and must not be interrupted.
            for number in stop_signals():
                signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


class _EarlyStop:
    """Holds back a signal that arrives while the database starts, because interrupting that could leave a half-started
    server behind. A second signal ends the process anyway."""

    def __init__(self) -> None:
        self._was_asked = False
        self._stop: Callable[[], None] | None = None
        for number in stop_signals():
            signal.signal(number, self._on_signal)

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


async def _prepare(config: Settings, installed: Installation) -> IssuedKey | None:
    await prepare_database(installed)
    async with open_database(config, installed) as database:
        await record_price(database, config.price_microcredits)
        return await api_keys.issue_first(database, pepper(installed.secret), config.first_microcredits)


def _worker_devices(config: Settings) -> list[str]:
    found = devices(config)
    workers = config.workers or len(found)
    return [found[index % len(found)] for index in range(workers)]


def _check_connections(config: Settings, workers: int) -> None:
    of_web = config.database_connections + WEB_LISTENERS
    of_worker = config.database_connections + WORKER_LISTENERS
    needed = of_web + workers * of_worker + COMMAND_CONNECTIONS
    if config.database_url is None and needed > private_postgres.CONNECTIONS_MAX:
        raise SettingsWrong(
            f"{workers} workers may need {needed} connections, but the private PostgreSQL allows "
            f"{private_postgres.CONNECTIONS_MAX}: lower EASEL_DATABASE_CONNECTIONS or EASEL_WORKERS, "
            "or use your own server (EASEL_DATABASE_URL)."
        )


def _listen_with_patience(config: Settings) -> socket.socket:
    """Listen, and wait a moment if a predecessor that was killed still occupies the address."""
    give_up_s = time.monotonic() + WAIT_FOR_ADDRESS_S
    while True:
        try:
            return listen(config.host, config.port)
        except SettingsWrong:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.1)


def _plans(
    config: Settings, installed: Installation, listening: socket.socket, worker_devices: list[str]
) -> list[ChildPlan]:
    environment = process_environment.copy() | {
        "EASEL_DATABASE_URL": installed.database_url,
        "EASEL_DATA_DIR": str(config.data_dir),
        # Pass the secret itself: children that start later get the same one, even if the file has changed.
        "EASEL_SECRET": installed.secret.text,
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("EASEL_SECRET_FILE", None)
    easel_command = [sys.executable, "-m", "easel"]
    descriptor = listening.fileno()
    plans = [
        ChildPlan("web", [*easel_command, "web", "--supervised-socket", str(descriptor)], environment, [descriptor])
    ]
    for number, device in enumerate(worker_devices, start=1):
        plans.append(
            ChildPlan(
                f"worker {number}", [*easel_command, "worker", "--supervised"], environment | {"EASEL_DEVICE": device}
            )
        )
    return plans


def _address(listening: socket.socket) -> str:
    """The URL of the service on this machine. Clients may use another one."""
    host, port = listening.getsockname()[:2]
    if host == "0.0.0.0" or (host == "::" and takes_ipv4(listening)):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _show_first_key(first_key: IssuedKey, config: Settings, address: str) -> None:
    """Print the key before anything slow begins. The key itself is not stored anywhere."""
    click.echo(f"""
Your first API key, of account "{first_key.account}" with {credits_shown(config.first_microcredits)} credits. It is not shown again:

    {first_key.key}

When Easel is ready, try it in another terminal:

    export EASEL_API_KEY={first_key.key} EASEL_URL={address}
    {distribution.command()} generate "a cute cat"
""")


def _say_ready(config: Settings, address: str) -> None:
    shown = config.public_url or address
    listening_note = "" if config.public_url is None else f" It listens on {address}."
    click.echo(
        f"Easel {easel.__version__} is ready at {shown} (engine {config.engine}; API page {shown}/docs).{listening_note}"
    )
