"""`easel serve`: the whole service on one machine."""

import asyncio
import contextlib
import socket
import sys
import time
from pathlib import Path
from typing import Final

import click

import easel
from easel.actions import api_keys, console_sessions
from easel.actions.api_keys import IssuedKey
from easel.actions.audit_log import record_price
from easel.actions.console_sessions import IssuedLink
from easel.assembly.configuration import read_settings
from easel.assembly.engines import devices
from easel.assembly.installation import Installation, installation, open_database, pepper, prepare_database
from easel.commands.startup import children, metrics_ports, start_warnings
from easel.commands.startup.children import EarlyStop, WebSockets
from easel.commands.startup.database_wait import once_reachable
from easel.commands.startup.first_process import fork_if_first_process
from easel.commands.startup.listening import takes_ipv4
from easel.commands.terminal.config_option import config_option
from easel.commands.terminal.console_link import sign_in_address
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option, host_option, port_option
from easel.domain.console_session import LINK_LIFETIME_S
from easel.domain.credits import credits_shown
from easel.outside.data_folder import service_lock
from easel.runtime import distribution, logs
from easel.settings.settings import Settings, SettingsWrong

WAIT_FOR_ADDRESS_S: Final = 3.0


@click.command(short_help="Run the whole service on this machine.")
@host_option
@port_option
@data_dir_option
@config_option
def serve(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Run the whole service: web process, workers and, unless EASEL_DATABASE_URL is set, a private database."""
    fork_if_first_process()
    with explain_failures():
        start_warnings.show_environment_warnings()
        config = read_settings(host=host, port=port, data_dir=data_dir)
        logs.configure("serve", config.log_format, config.log_level)
        start_warnings.show_exposed_secret(config)
        worker_devices = _worker_devices(config)
        children.check_connections(config, len(worker_devices))
        metrics_ports.check(config, len(worker_devices))
        early = EarlyStop()
        preloading = children.Preloading("easel.commands.web", "easel.commands.worker")
        with (
            service_lock.held(config.data_dir) as lock,
            installation(config) as installed,
            contextlib.closing(_listen_with_patience(config)) as sockets,
        ):
            first_key, link = asyncio.run(
                once_reachable(
                    lambda: _prepare(config, installed), installed, config.database_wait_s, lambda: early.was_asked
                )
            )
            address = _address(sockets.sockets[0])
            lock.announce(address)
            if first_key is not None:
                _show_first_key(first_key, config, address)
            environment = children.environment_of_children(config, installed)
            plans = [
                *sockets.plans(environment),
                *children.worker_plans(worker_devices, environment, config.web_processes),
            ]
            preloading.wait()
            status = children.supervise(
                config, installed, sockets, plans, early, on_ready=lambda: _say_ready(config, address, link)
            )
    sys.exit(status)


async def _prepare(config: Settings, installed: Installation) -> tuple[IssuedKey | None, IssuedLink | None]:
    """Prepare the database. Returns the first key, at the first start, and a link for the person at the terminal."""
    await prepare_database(installed)
    key_pepper = pepper(installed.secret)
    async with open_database(config, installed) as database:
        await record_price(database, config.price_microcredits)
        first_key = await api_keys.issue_first(database, key_pepper, config.first_microcredits)
        has_console = config.console == "on" and sys.stdout.isatty()
        return first_key, await console_sessions.issue_link(database, key_pepper, None) if has_console else None


def _worker_devices(config: Settings) -> list[str]:
    found = devices(config)
    workers = config.workers or len(found)
    return [found[index % len(found)] for index in range(workers)]


def _listen_with_patience(config: Settings) -> WebSockets:
    """Listen, and wait a moment if a predecessor that was killed still occupies the address."""
    give_up_s = time.monotonic() + WAIT_FOR_ADDRESS_S
    while True:
        try:
            return children.web_sockets(config)
        except SettingsWrong:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.1)


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


def _say_ready(config: Settings, address: str, link: IssuedLink | None) -> None:
    shown = config.public_url or address
    listening_note = "" if config.public_url is None else f" It listens on {address}."
    webs = "" if config.web_processes == 1 else f"{config.web_processes} web processes; "
    click.echo(
        f"Easel {easel.__version__} is ready at {shown} "
        f"(engine {config.engine}; {webs}API page {shown}/docs).{listening_note}"
    )
    if link is not None:
        click.echo(
            f"\nDraw in your browser. This link signs you in, once and within {LINK_LIFETIME_S // 60} minutes:\n\n"
            f"    {sign_in_address(link, shown)}\n"
        )
