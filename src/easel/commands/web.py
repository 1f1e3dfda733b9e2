"""`easel web`: the web process alone."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import click
import uvicorn

from easel.actions.audit_log import record_price
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, database_of, installation
from easel.assembly.web import web_app
from easel.commands.startup import start_warnings
from easel.commands.startup.first_process import take_in_orphans
from easel.commands.startup.listening import listen
from easel.commands.startup.supervision import say_ready, when_abandoned
from easel.commands.startup.web_tuning import favour_the_loop, release_free_memory
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.outside import open_files
from easel.runtime import logs
from easel.settings.settings import Settings
from easel.store import schema
from easel.supervisor import stop_signals
from easel.web.edge.browsers import open_to_browsers
from easel.web.edge.crowd import Crowd
from easel.web.edge.limits import CONNECTIONS_MAX, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES
from easel.web.edge.protocol import EdgeProtocol
from easel.web.edge.proxies import behind_proxies

CLOSE_IDLE_AFTER_S: Final = 15
FILES_BESIDE_CONNECTIONS: Final = 1024


@click.command()
@click.option("--host", help="Address to listen on (EASEL_HOST).")
@click.option("--port", type=int, help="Port to listen on (EASEL_PORT).")
@data_dir_option
@click.option("--supervised-socket", type=int, hidden=True, help="An open socket, inherited from `easel serve`.")
def web(host: str | None, port: int | None, data_dir: Path | None, supervised_socket: int | None) -> None:
    """Run the web process alone."""
    take_in_orphans()
    with explain_failures():
        read = read_settings(host=host, port=port, data_dir=data_dir)
        logs.configure("web", read.log_format, read.log_level)
        if supervised_socket is None:
            start_warnings.show(read)
        with installation(read) as installed:
            if supervised_socket is None:  # else `easel serve` has done it
                asyncio.run(_prepare(read, installed))
            open_files.allow(CONNECTIONS_MAX + FILES_BESIDE_CONNECTIONS)
            favour_the_loop()
            listening = _inherited(supervised_socket) or listen(read.host, read.port)
            # Accepted connections inherit both.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            app = web_app(read, installed)
            crowd = Crowd(read.connections_per_address, read.trusted_networks, on_relief=release_free_memory)
            config = uvicorn.Config(
                behind_proxies(open_to_browsers(app, read.cors_origin_list), read.trusted_proxy_list),
                http=EdgeProtocol.among(crowd),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # they are read by `behind_proxies`
                ws="none",
                timeout_keep_alive=CLOSE_IDLE_AFTER_S,
                # Of 0 uvicorn would complain at every stop.
                timeout_graceful_shutdown=max(1, read.drain_timeout_s),
            )
            server = _Server(config, app.stop)
            # uvicorn takes SIGTERM and SIGINT while it serves. One that comes before is kept for it here; it also raises
            # those that stopped it once more when it is done, which changes nothing any more.
            for number in stop_signals():
                signal.signal(number, lambda *_: server.stop())
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(_serve(server, listening, is_supervised=supervised_socket is not None))


async def _prepare(read: Settings, installed: Installation) -> None:
    await schema.prepare(installed.database_url, installed.secret)
    database = database_of(read, installed)
    await database.open()
    try:
        await record_price(database, read.price_microcredits)
    finally:
        await database.close()


class _Server(uvicorn.Server):
    """Stops in order at the first SIGTERM or SIGINT, and at once at the second."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def stop(self) -> None:
        """Take no more requests, and end when those under way have; who waits for something is answered now."""
        self.should_exit = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # it has not begun
            self._on_stop()
        else:
            # From the loop, since a signal may come in the middle of anything.
            loop.call_soon_threadsafe(self._on_stop)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What uvicorn calls at a signal; on its own it would wait for open connections even at the second."""
        if self.should_exit:
            os._exit(1)
        super().handle_exit(sig, frame)
        self.stop()


async def _serve(server: _Server, listening: socket.socket, *, is_supervised: bool) -> None:
    async def announce() -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn offers this flag and no event
            await asyncio.sleep(0.01)
        say_ready()

    announcing = asyncio.create_task(announce())
    if is_supervised:
        when_abandoned(server.stop)
    await server.serve(sockets=[listening])
    announcing.cancel()


def _inherited(descriptor: int | None) -> socket.socket | None:
    return None if descriptor is None else socket.socket(fileno=descriptor)
