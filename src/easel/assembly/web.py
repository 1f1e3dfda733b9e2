"""Builds the web process's objects."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from easel.actions.submit import Submit, SubmitSettings
from easel.assembly import engines
from easel.assembly.console import Console
from easel.assembly.installation import Installation, database_of, link_keys, pepper
from easel.assembly.judges import judge_of
from easel.assembly.metrics import metrics_page
from easel.assembly.storage import picture_store, sweep_of
from easel.live import background_tasks, readings
from easel.live.batched_reader import BatchedReader
from easel.live.forecast import Forecast
from easel.live.key_watch import KeyWatch
from easel.live.picture_reader import PictureReader
from easel.live.shared_limits import SharedLimits
from easel.live.task_watcher import TaskWatcher
from easel.settings.settings import Settings
from easel.store import tasks
from easel.store.notifications import Channel
from easel.web.account import AccountEndpoints
from easel.web.app import App, Endpoints, routes
from easel.web.auth import Auth, AuthLimits
from easel.web.callbacks import CallbackEndpoints
from easel.web.catalog import CatalogEndpoints
from easel.web.client_limits import StreamLimits, Streams
from easel.web.console.pages import RootEndpoint
from easel.web.events import EventEndpoint
from easel.web.health import HealthEndpoints
from easel.web.metrics.endpoint import MetricsEndpoint
from easel.web.metrics.page import MetricsPage
from easel.web.metrics.service_readings import ServiceReadings
from easel.web.openai.attendance import Attendance
from easel.web.openai.images import OpenaiImageEndpoint
from easel.web.picture_pieces import PicturePieces
from easel.web.pictures import PictureEndpoint
from easel.web.reference.endpoints import DocumentEndpoints
from easel.web.requests import BaseUrl
from easel.web.routing import Route
from easel.web.task_lists import TaskListEndpoints
from easel.web.task_view import TaskView
from easel.web.tasks import CreationEndpoint, TaskEndpoints
from easel.web.usage import UsageEndpoints
from easel.web.waiting import Waiting


@dataclass(frozen=True, slots=True)
class WebParts:
    """What a web process serves: the application, and its metrics on a port of their own."""

    app: App
    metrics: MetricsPage


def web_parts(settings: Settings, installed: Installation, shared: SharedLimits | None, *more: Route) -> WebParts:
    """The web process's objects, with more routes than its own. With `shared`, its limits apply to all web processes of
    the machine together."""
    database = database_of(settings, installed)
    pictures = picture_store(settings)
    keys = link_keys(installed.secret)
    task_watcher = TaskWatcher(database, [Channel.CHANGES, Channel.PREVIEWS])
    key_watch = KeyWatch(database)
    forecast = Forecast(database, settings.backlog_max, engines.draw_guesses_s(settings))
    reader = BatchedReader(database, tasks.find_each)
    base_url = BaseUrl(settings.public_url)
    console = Console(settings, base_url, installed.secret)
    auth_limits = AuthLimits(settings.reads_per_minute, settings.auth_failures_per_minute)
    auth = Auth(database, pepper(installed.secret), auth_limits, shared, console.cookie)
    judge = judge_of(settings, installed.secret, judges_pictures=False)
    judgements, redeliveries = (None if shared is None else shared.times(name) for name in ("judged", "redelivered"))
    submit = Submit(database, judge, forecast, submit_settings(settings), judgements)
    stream_limits = StreamLimits(settings.streams_per_key, settings.streams_per_address, settings.trusted_networks)
    streams = Streams(stream_limits, shared)
    waiting = Waiting(task_watcher, key_watch, streams)
    attendance = Attendance(database, task_watcher, key_watch)
    view = TaskView(database, forecast, keys)
    pieces = PicturePieces(pictures)
    aliases = settings.model_alias_set
    sweeper = sweep_of(settings, database, pictures)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await database.open()
        # Before the first request, which would otherwise wait for it.
        await asyncio.to_thread(judge.load_rules)
        # These objects live as long as the process. Frozen, they cost the garbage collector no time during requests.
        gc.collect()
        gc.freeze()
        background = [asyncio.create_task(work) for work in (task_watcher.run(), key_watch.run(), sweeper.run())]
        yield
        await background_tasks.cancel_all(background)
        await judge.aclose()
        await database.close()

    metrics = metrics_page(ServiceReadings(database), readings.of_pools({"durable": database}))
    endpoints = Endpoints(
        creation=CreationEndpoint(auth, submit, view, waiting, base_url, settings.callback_destinations),
        tasks=TaskEndpoints(auth, database, reader, view, waiting, pictures),
        callbacks=CallbackEndpoints(auth, database, redeliveries),
        task_lists=TaskListEndpoints(auth, database, view),
        events=EventEndpoint(auth, database, reader, view, task_watcher, key_watch, forecast, streams),
        account=AccountEndpoints(database, auth, aliases),
        catalog=CatalogEndpoints(database, settings.price_microcredits, aliases),
        usage=UsageEndpoints(auth, database),
        openai_images=OpenaiImageEndpoint(auth, submit, database, attendance, view, streams, pieces, base_url, aliases),
        pictures=PictureEndpoint(pictures, pieces, PictureReader(database), keys),
        health=HealthEndpoints(database, pictures),
        metrics=MetricsEndpoint(auth, metrics),
        documents=DocumentEndpoints(base_url, has_console=console.files is not None),
        root=RootEndpoint(console.files),
    )
    all_routes = [*routes(endpoints), *console.routes(auth, database, view, pictures, keys), *more]
    return WebParts(App(all_routes, lifespan, task_watcher.close, console.not_found_page), metrics)


def submit_settings(settings: Settings) -> SubmitSettings:
    """The price of a picture and the limits of a key."""
    return SubmitSettings(
        price_microcredits=settings.price_microcredits,
        creates_per_minute=settings.creates_per_minute,
        unfinished_max=settings.unfinished_max,
        idempotency_h=settings.idempotency_retention_h,
    )
