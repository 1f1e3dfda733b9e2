"""`easel web` and `easel worker`: the two halves of the service, each a process of its own."""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import click
import uvicorn
import uvloop

from easel import logs
from easel.actions.audit_log import record_price
from easel.assembly.installation import Installation, database_of, installation
from easel.assembly.web import web_app
from easel.assembly.worker import WorkerParts, worker_parts
from easel.commands.startup import start_warnings
from easel.commands.startup.first_process import take_in_orphans
from easel.commands.terminal.failures import told_plainly
from easel.outside import open_files
from easel.settings import settings
from easel.settings.settings import Settings
from easel.store import schema
from easel.supervisor import READY, stop_signals
from easel.web.edge.browsers import open_to_browsers
from easel.web.edge.crowd import Crowd
from easel.web.edge.protocol import CONNECTIONS_MAX, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES, EdgeProtocol
from easel.web.edge.proxies import behind_proxies

LISTEN_BACKLOG: Final = 2048
CLOSE_IDLE_AFTER_S: Final = 15
FILES_BESIDE_CONNECTIONS: Final = 1024
STANDARD_INPUT: Final = 0
THREADS_SWITCH_S: Final = 0.00005
"""How long a thread may compute while the loop's thread waits for the interpreter."""
LINUX_SET_TIMER_SLACK: Final = 29
"""PR_SET_TIMERSLACK in Linux's prctl.h; its argument is in nanoseconds."""
GLIBC_ARENA_MAX: Final = -8
"""M_ARENA_MAX in glibc's malloc.h: from how many heaps threads allocate, at most."""
HEAPS: Final = 2
ALL_OF_IPV6: Final = "::"
_OF_PORT: Final = {errno.EADDRINUSE, errno.EACCES}
_NO_SUCH_FAMILY: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


@click.command()
@click.option("--host", help="Address to listen on (EASEL_HOST).")
@click.option("--port", type=int, help="Port to listen on (EASEL_PORT).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data (EASEL_DATA_DIR).")
@click.option("--supervised-socket", type=int, hidden=True, help="An open socket, inherited from `easel serve`.")
def web(host: str | None, port: int | None, data_dir: Path | None, supervised_socket: int | None) -> None:
    """Run the web process alone."""
    take_in_orphans()
    with told_plainly():
        read = settings.read(host=host, port=port, data_dir=data_dir)
        logs.configure("web", read.log_format, read.log_level)
        if supervised_socket is None:
            start_warnings.show(read)
        with installation(read) as installed:
            if supervised_socket is None:  # else `easel serve` has done it
                asyncio.run(_prepare(read, installed))
            open_files.allow(CONNECTIONS_MAX + FILES_BESIDE_CONNECTIONS)
            _live_with_threads()
            listening = _inherited(supervised_socket) or listen(read.host, read.port)
            # Accepted connections inherit both.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            app = web_app(read, installed)
            crowd = Crowd(read.connections_per_address, read.trusted_networks, on_relief=_give_memory_back)
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
        _say_ready()

    announcing = asyncio.create_task(announce())
    if is_supervised:
        _when_abandoned(server.stop)
    await server.serve(sockets=[listening])
    announcing.cancel()


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data (EASEL_DATA_DIR).")
@click.option("--supervised", is_flag=True, hidden=True, help="Stop when `easel serve` is gone.")
def worker(data_dir: Path | None, *, supervised: bool) -> None:
    """Run one worker process alone."""
    take_in_orphans()
    with told_plainly():
        read = settings.read(data_dir=data_dir)
        logs.configure("worker", read.log_format, read.log_level)
        if not supervised:
            start_warnings.show(read)
        with installation(read) as installed:
            if not supervised:  # else `easel serve` has done it
                asyncio.run(schema.prepare(installed.database_url, installed.secret))
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_work(worker_parts(read, installed), is_supervised=supervised))
        # A draw that was handed back may still be in its step, in a thread that nothing can end but this.
        sys.stderr.flush()
        os._exit(0)


async def _work(parts: WorkerParts, *, is_supervised: bool) -> None:
    stopping = asyncio.Event()
    _on_signals(stopping)
    if is_supervised:
        _when_abandoned(stopping.set)
    if not await _load(parts, stopping):
        return
    try:
        for database in parts.databases:
            await database.open()
        _say_ready()
        working = asyncio.create_task(parts.worker.run())
        await _first_of(working, stopping)
        parts.worker.stop()
        await working
    finally:
        # Whatever ended it: the pools' own tasks do not end by being cancelled, and this process not without them.
        for database in parts.databases:
            await database.close()


async def _load(parts: WorkerParts, stopping: asyncio.Event) -> bool:
    """Load the engine; False when told to stop meanwhile. Nothing is lost by leaving in the middle of it."""
    loading = asyncio.create_task(parts.draw.load())
    await _first_of(loading, stopping)
    if loading.done():
        loading.result()
    return loading.done()


async def _first_of(task: asyncio.Task[None], event: asyncio.Event) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _on_signals(stopping: asyncio.Event) -> None:
    """The first signal to stop is obeyed in order, the second at once."""

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(1)
        stopping.set()

    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; on all addresses of IPv6 it takes IPv4 as well, where the system can. Raises SettingsWrong with
    a sentence when the address cannot be had."""
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == ALL_OF_IPV6 and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        # Some versions of Python put the address into strerror as well.
        reason = str(error.strerror).partition(" (while")[0]
        shown = f"[{host}]" if ":" in host else host
        hint = "; this machine may have no IPv6" if error.errno in _NO_SUCH_FAMILY and ":" in host else ""
        other = "port with --port or EASEL_PORT" if error.errno in _OF_PORT else "address with --host or EASEL_HOST"
        raise settings.SettingsWrong(
            f"Cannot listen on {shown}:{port} ({reason}{hint}): choose another {other}."
        ) from None
    listening.set_inheritable(True)
    return listening


def takes_ipv4(listening: socket.socket) -> bool:
    """Whether a socket that listens on IPv6 takes IPv4 as well."""
    return not listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _inherited(descriptor: int | None) -> socket.socket | None:
    return None if descriptor is None else socket.socket(fileno=descriptor)


def _live_with_threads() -> None:
    """Beside threads that read pictures and judge prompts, answer quickly and keep little memory."""
    sys.setswitchinterval(THREADS_SWITCH_S)
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        # The interpreter's lock is waited for by a timer, which Linux otherwise lets ring 50 microseconds late.
        library.prctl(LINUX_SET_TIMER_SLACK, 1000)
    if hasattr(library, "mallopt"):
        # With a heap for each thread, glibc keeps tens of megabytes after a crowd of clients. Other libraries do not.
        library.mallopt(GLIBC_ARENA_MAX, HEAPS)


def _give_memory_back() -> None:
    """Give the system what malloc has free, which glibc otherwise keeps. It takes some milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _say_ready() -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody is left to be told
        sys.stdout.write(READY.decode())
        sys.stdout.flush()


def _when_abandoned(stop: Callable[[], None]) -> None:
    """Stop when the supervisor's end of our standard input closes, which it does however the supervisor ends."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        # Not through sys.stdin, whose lock a waiting thread would hold when the interpreter ends.
        while os.read(STANDARD_INPUT, 1):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True, name="supervisor").start()
