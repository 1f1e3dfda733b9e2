"""Builds the worker process's objects."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import easel
from easel.actions.deliver import Deliver, DeliverSettings
from easel.actions.draw import Draw, DrawSettings
from easel.actions.finish import Finish, FinishSettings
from easel.assembly.engines import engine, place
from easel.assembly.installation import Installation, callback_secrets_root, link_keys
from easel.assembly.judges import judge_of
from easel.assembly.metrics import metrics_page
from easel.assembly.storage import picture_store, sweep_of
from easel.live import readings
from easel.live.task_watcher import TaskWatcher
from easel.live.work_bell import WorkBell
from easel.outside.safe_http.client import SafeHttp
from easel.settings.settings import Settings
from easel.store.database import Database, RelaxedDatabase
from easel.store.notifications import Channel
from easel.web.answers import encode
from easel.web.metrics.page import MetricsPage
from easel.web.task_view import ended_task
from easel.worker import Duties, Worker

EXIT_HUNG: Final = 70
EXIT_DEVICE_LOST: Final = 71
WORKER_CHANNELS: Final = (Channel.WORKERS, Channel.WORK, Channel.WISHES)


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker process opens, loads and runs."""

    databases: Sequence[Database | RelaxedDatabase]
    draw: Draw
    worker: Worker
    metrics: MetricsPage


def worker_parts(settings: Settings, installed: Installation) -> WorkerParts:
    """The worker process's objects. Raises EngineUnusable, PluginUnusable, EndpointUnusable."""
    database = Database(installed.database_url, settings.database_connections // 2, installed.sessions)
    relaxed = RelaxedDatabase(installed.database_url, -(-settings.database_connections // 2), installed.sessions)
    pictures = picture_store(settings)
    judge = judge_of(settings, installed.secret, judges_pictures=True)
    deliver = _deliver(settings, installed, database, relaxed)
    bell = WorkBell()
    task_watcher = TaskWatcher(database, WORKER_CHANNELS, deliver.wake, bell.ring)
    draw_settings = DrawSettings(settings.draw_timeout_s, settings.step_timeout_s, _end_hung_process)
    drawing_engine = engine(settings)
    draw = Draw(database, relaxed, task_watcher, drawing_engine, judge, draw_settings)
    finish_settings = FinishSettings(
        picture_name_secret=installed.secret.derive("picture names"),
        easel_version=easel.__version__,
        recipe_in_pictures=settings.provenance,
        on_hung=_end_hung_process,
        on_callback=deliver.wake,
        engine=drawing_engine.name,
    )
    finish = Finish(database, pictures, judge, finish_settings)
    sweep = sweep_of(settings, database, pictures)
    duties = Duties(deliver, task_watcher, sweep)
    worker = Worker(database, relaxed, draw, finish, duties, bell, settings.drain_timeout_s, place(settings))
    metrics = metrics_page(
        readings.of_pools({"durable": database, "relaxed": relaxed}), readings.of_engine(drawing_engine, draw.breaker)
    )
    return WorkerParts([database, relaxed], draw, worker, metrics)


def _deliver(settings: Settings, installed: Installation, database: Database, relaxed: RelaxedDatabase) -> Deliver:
    http = SafeHttp(
        settings.callback_destinations,
        ca_file=settings.callback_ca_file,
        nameservers=settings.callback_nameserver_list,
    )
    keys = link_keys(installed.secret)
    return Deliver(
        database,
        relaxed,
        http,
        lambda task: encode(ended_task(task, keys)),
        DeliverSettings(callback_secrets_root(installed.secret), f"Easel/{easel.__version__}"),
    )


def _end_hung_process() -> None:
    os._exit(EXIT_HUNG)
