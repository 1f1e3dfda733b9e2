"""The worker process's objects."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import easel
from easel.actions.deliver import Deliver, DeliverSettings
from easel.actions.draw import Draw, DrawSettings
from easel.assembly.engines import engine
from easel.assembly.installation import Installation, callback_secrets_root, link_keys
from easel.assembly.judges import judge_of
from easel.assembly.storage import picture_store, sweep
from easel.live.task_watcher import TaskWatcher
from easel.outside.safe_http.client import SafeHttp
from easel.settings.settings import Settings
from easel.store.database import Database, Notes
from easel.store.notifications import Channel
from easel.web.answers import encode
from easel.web.task_view import ended_task
from easel.worker import Worker

EXIT_HUNG: Final = 70


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """A worker process: its connections, what draws, and what takes the jobs."""

    databases: Sequence[Database | Notes]
    draw: Draw
    worker: Worker


def worker_parts(settings: Settings, installed: Installation) -> WorkerParts:
    """The worker process's objects. Raises EngineUnusable, PluginUnusable, EndpointUnusable."""
    data = Database(installed.database_url, settings.database_connections // 2)
    notes = Notes(installed.database_url, -(-settings.database_connections // 2))
    kept = picture_store(settings)
    http = SafeHttp(
        settings.callback_destinations,
        ca_file=settings.callback_ca_file,
        nameservers=settings.callback_nameserver_list,
    )
    keys = link_keys(installed.secret)
    deliver = Deliver(
        data,
        notes,
        http,
        lambda task: encode(ended_task(task, keys)),
        DeliverSettings(callback_secrets_root(installed.secret), f"Easel/{easel.__version__}"),
    )
    task_watcher = TaskWatcher(data, Channel.WORKERS, deliver.wake)
    draw = Draw(
        data,
        notes,
        task_watcher,
        kept,
        engine(settings),
        judge_of(settings, installed.secret, judges_pictures=True),
        DrawSettings(
            picture_name_secret=installed.secret.derive("picture names"),
            easel_version=easel.__version__,
            recipe_in_pictures=settings.provenance,
            draw_timeout_s=settings.draw_timeout_s,
            step_timeout_s=settings.step_timeout_s,
            on_hung=lambda: os._exit(EXIT_HUNG),
            on_callback=deliver.wake,
        ),
    )
    worker = Worker(data, notes, draw, deliver, task_watcher, sweep(settings, data, kept), settings.drain_timeout_s)
    return WorkerParts([data, notes], draw, worker)
