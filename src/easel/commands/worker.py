"""`easel worker`: one worker process."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import click
import uvloop

from easel.assembly.configuration import read_settings
from easel.assembly.installation import installation, prepare_database
from easel.assembly.metrics import metrics_socket
from easel.assembly.traces import recorded_traces
from easel.assembly.worker import EXIT_DEVICE_LOST, WorkerParts, worker_parts
from easel.commands.startup import start_warnings
from easel.commands.startup.database_wait import once_reachable
from easel.commands.startup.first_process import fork_if_first_process
from easel.commands.startup.supervision import say_ready, stop_when_abandoned
from easel.commands.terminal.config_option import config_option
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.runtime import logs
from easel.supervisor import stop_signals
from easel.web.metrics.port import metrics_port


@click.command()
@data_dir_option
@config_option
@click.option("--supervised", is_flag=True, hidden=True, help="Stop when `easel serve` is gone.")
def worker(data_dir: Path | None, *, supervised: bool) -> None:
    """Run one worker on its own."""
    fork_if_first_process()
    with explain_failures():
        if not supervised:
            start_warnings.show_environment_warnings()
        config = read_settings(data_dir=data_dir)
        logs.configure("worker", config.log_format, config.log_level)
        if not supervised:
            start_warnings.show_exposed_secret(config)
        with installation(config) as installed:
            if not supervised:  # otherwise `easel serve` has done this
                asyncio.run(once_reachable(lambda: prepare_database(installed), installed, config.database_wait_s))
            with recorded_traces(config, "worker"), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                metrics_listening = metrics_socket(config)
                parts = worker_parts(config, installed)
                runner.run(_work_measured(parts, metrics_listening, is_supervised=supervised))
        # A drawing that was returned to the queue may still be in a step. Only this ends its thread.
        sys.stderr.flush()
        os._exit(EXIT_DEVICE_LOST if parts.worker.is_device_lost else 0)


async def _work_measured(parts: WorkerParts, listening: socket.socket | None, *, is_supervised: bool) -> None:
    async with metrics_port(listening, parts.metrics):
        await _work(parts, is_supervised=is_supervised)


async def _work(parts: WorkerParts, *, is_supervised: bool) -> None:
    stopping = asyncio.Event()
    _on_signals(stopping)
    if is_supervised:
        stop_when_abandoned(stopping.set)
    if not await _load(parts, stopping):
        return
    try:
        for database in parts.databases:
            await database.open()
        say_ready()
        working = asyncio.create_task(parts.worker.run())
        await _first_of(working, stopping)
        parts.worker.stop()
        await working
    finally:
        # Even after an error: the tasks of the pools ignore cancellation, and the process cannot end before they do.
        for database in parts.databases:
            await database.close()


async def _load(parts: WorkerParts, stopping: asyncio.Event) -> bool:
    """Load the engine; False if a stop signal arrives first. Nothing is lost if loading is interrupted."""
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
    """Stop gracefully at the first signal, and immediately at the second."""

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(1)
        stopping.set()

    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
