"""`easel web`: web processes without workers.

With one web process, this command is it. With several, it supervises them, and each is this command again, with options
that say which socket it inherits.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import FrameType
from typing import Final

import click
import uvicorn

from easel.actions.audit_log import record_price
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, installation, open_database, prepare_database
from easel.assembly.metrics import metrics_socket
from easel.assembly.traces import recorded_traces
from easel.assembly.web import web_parts
from easel.commands.startup import children, metrics_ports, start_warnings
from easel.commands.startup.children import EarlyStop
from easel.commands.startup.database_wait import once_reachable
from easel.commands.startup.first_process import fork_if_first_process
from easel.commands.startup.listening import listen
from easel.commands.startup.supervision import say_ready, stop_when_abandoned
from easel.commands.startup.web_tuning import release_free_memory, tune_for_the_event_loop
from easel.commands.terminal.config_option import config_option
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option, host_option, port_option
from easel.live.shared_limits import SharedLimits
from easel.mcp.endpoint import McpEndpoint, is_possible
from easel.outside import open_files
from easel.runtime import logs
from easel.settings.settings import Settings
from easel.supervisor import stop_signals
from easel.web.edge.browsers import open_to_browsers
from easel.web.edge.crowd import Crowd
from easel.web.edge.limits import CONNECTIONS_MAX, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES
from easel.web.edge.protocol import EdgeProtocol
from easel.web.edge.proxies import behind_proxies
from easel.web.metrics.port import metrics_port

CLOSE_IDLE_AFTER_S: Final = 15
FILES_BESIDE_CONNECTIONS: Final = 1024


@click.command()
@host_option
@port_option
@data_dir_option
@config_option
@click.option("--supervised-socket", type=int, hidden=True, help="An open socket, inherited from the supervisor.")
@click.option("--supervised-number", type=int, hidden=True, help="Which of several web processes this one is.")
@click.option("--shared-limits", type=int, hidden=True, help="An open file, inherited from the supervisor.")
def web(
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    supervised_socket: int | None,
    supervised_number: int | None,
    shared_limits: int | None,
) -> None:
    """Run web processes on their own, without workers."""
    fork_if_first_process()
    with explain_failures():
        if supervised_socket is None:
            start_warnings.show_environment_warnings()
        config = read_settings(host=host, port=port, data_dir=data_dir)
        logs.configure(
            "web" if supervised_number is None else f"web {supervised_number}", config.log_format, config.log_level
        )
        if supervised_socket is not None:
            shared = None if shared_limits is None else SharedLimits(shared_limits, supervised_number or 1)
            with installation(config) as installed:
                _run(config, installed, socket.socket(fileno=supervised_socket), shared, is_supervised=True)
            return
        start_warnings.show_exposed_secret(config)
        status = _supervise(config) if config.web_processes > 1 else _run_alone(config)
    sys.exit(status)


def _supervise(config: Settings) -> int:
    """Run several web processes. Returns the exit status."""
    children.check_connections(config, workers=0)
    metrics_ports.check(config, workers=0)
    early = EarlyStop()
    preloading = children.Preloading()
    with installation(config) as installed, contextlib.closing(children.web_sockets(config)) as sockets:
        asyncio.run(
            once_reachable(
                lambda: _prepare(config, installed), installed, config.database_wait_s, lambda: early.was_asked
            )
        )
        plans = sockets.plans(children.environment_of_children(config, installed))
        preloading.wait()
        return children.supervise(config, installed, sockets, plans, early, on_ready=say_ready)


def _run_alone(config: Settings) -> int:
    with installation(config) as installed:
        asyncio.run(once_reachable(lambda: _prepare(config, installed), installed, config.database_wait_s))
        _run(config, installed, listen(config.host, config.port), None, is_supervised=False)
    return 0


def _run(
    config: Settings,
    installed: Installation,
    listening: socket.socket,
    shared: SharedLimits | None,
    *,
    is_supervised: bool,
) -> None:
    """Serve on this socket until a signal."""
    open_files.allow(CONNECTIONS_MAX + FILES_BESIDE_CONNECTIONS)
    tune_for_the_event_loop()
    # Accepted connections inherit both sizes.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    metrics_listening = metrics_socket(config)
    agents = McpEndpoint() if is_possible() else None
    parts = web_parts(config, installed, shared, *([] if agents is None else [agents.route()]))
    app = parts.app
    if agents is not None:
        agents.serve(app)
    crowd = Crowd(config.connections_per_address, config.trusted_networks, on_relief=release_free_memory, shared=shared)
    server_config = uvicorn.Config(
        behind_proxies(open_to_browsers(app, config.cors_origin_list), config.trusted_proxy_list),
        http=EdgeProtocol.among(crowd),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `behind_proxies` reads them
        ws="none",
        timeout_keep_alive=CLOSE_IDLE_AFTER_S,
        # With 0, uvicorn would log an error at every stop.
        timeout_graceful_shutdown=max(1, config.drain_timeout_s),
    )
    server = _Server(server_config, app.stop)
    # uvicorn handles SIGTERM and SIGINT while it serves. These handlers catch earlier signals. When uvicorn has
    # stopped, it raises the same signals again, which has no effect here.
    for number in stop_signals():
        signal.signal(number, lambda *_: server.stop())
    loop_factory = server_config.get_loop_factory()
    with recorded_traces(config, "web"), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(
            _serve(server, listening, metrics_port(metrics_listening, parts.metrics), is_supervised=is_supervised)
        )


async def _prepare(config: Settings, installed: Installation) -> None:
    await prepare_database(installed)
    async with open_database(config, installed) as database:
        await record_price(database, config.price_microcredits)


class _Server(uvicorn.Server):
    """Stops gracefully at the first SIGTERM or SIGINT, and immediately at the second."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def stop(self) -> None:
        """Accept no more requests, answer the waiting ones now, and end when all have been answered."""
        self.should_exit = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the loop has not started
            self._on_stop()
        else:
            # Through the loop, because a signal can interrupt any line.
            loop.call_soon_threadsafe(self._on_stop)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn at a signal. uvicorn's own method waits for open connections even at the second signal."""
        if self.should_exit:
            os._exit(1)
        super().handle_exit(sig, frame)
        self.stop()


async def _serve(
    server: _Server, listening: socket.socket, metrics: AbstractAsyncContextManager[None], *, is_supervised: bool
) -> None:
    async def announce() -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn has this flag but no event
            await asyncio.sleep(0.01)
        say_ready()

    announcing = asyncio.create_task(announce())
    if is_supervised:
        stop_when_abandoned(server.stop)
    async with metrics:
        await server.serve(sockets=[listening])
    announcing.cancel()
