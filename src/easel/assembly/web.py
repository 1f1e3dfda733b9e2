"""The web process's application."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from easel.actions.submit import Submit, SubmitSettings
from easel.assembly.installation import Installation, database_of, link_keys, pepper
from easel.assembly.judges import judge_of
from easel.assembly.storage import picture_store, sweep
from easel.live import background_tasks
from easel.live.forecast import Forecast
from easel.live.key_watch import KeyWatch
from easel.live.picture_reader import PictureReader
from easel.live.task_reader import TaskReader
from easel.live.task_watcher import TaskWatcher
from easel.settings.settings import Settings
from easel.store.news import Channel
from easel.web.account import AccountEndpoints
from easel.web.app import App, Endpoints, routes
from easel.web.auth import Auth, AuthLimits
from easel.web.callbacks import CallbackEndpoints
from easel.web.events import EventEndpoint
from easel.web.health import HealthEndpoints
from easel.web.limits import StreamLimits, Streams
from easel.web.links import LinkBase
from easel.web.openai.images import OpenaiImageEndpoint
from easel.web.picture_pieces import PicturePieces
from easel.web.pictures import PictureEndpoint
from easel.web.reference import endpoints as documents
from easel.web.reference.endpoints import DocumentEndpoints
from easel.web.task_answers import TaskAnswers
from easel.web.task_lists import TaskListEndpoints
from easel.web.tasks import TaskEndpoints


def web_app(settings: Settings, installed: Installation) -> App:
    """The web process's application."""
    data = database_of(settings, installed)
    kept = picture_store(settings)
    keys = link_keys(installed.secret)
    task_watcher = TaskWatcher(data, Channel.CHANGES)
    forecast = Forecast(data, settings.backlog_max)
    auth = Auth(
        data,
        pepper(installed.secret),
        AuthLimits(settings.reads_per_minute, settings.auth_failures_per_minute),
    )
    key_watch = KeyWatch(data)
    answers = TaskAnswers(data, TaskReader(data), task_watcher, key_watch, forecast, keys)
    judge = judge_of(settings, installed.secret, judges_pictures=False)
    submit = Submit(data, judge, forecast, submit_settings(settings))
    streams = Streams(StreamLimits(settings.streams_per_key, settings.streams_per_address, settings.trusted_networks))
    pieces = PicturePieces(kept)
    aliases = settings.model_alias_set
    link_base = LinkBase(settings.public_url)
    swept = sweep(settings, data, kept)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await data.open()
        # Before the first request rather than in it.
        await asyncio.to_thread(judge.load_rules)
        await asyncio.to_thread(documents.rendered_page, documents.PLACEHOLDER)
        # All this stays: the garbage collector, for which every request waits, need not look through it again.
        gc.collect()
        gc.freeze()
        beside = [asyncio.create_task(work) for work in (task_watcher.run(), key_watch.run(), swept.run())]
        yield
        await background_tasks.cancel_all(beside)
        await judge.aclose()
        await data.close()

    endpoints = Endpoints(
        tasks=TaskEndpoints(auth, submit, answers, streams, kept, link_base, settings.callback_destinations),
        callbacks=CallbackEndpoints(auth, data),
        task_lists=TaskListEndpoints(auth, answers),
        events=EventEndpoint(auth, answers, streams),
        account=AccountEndpoints(data, auth, aliases),
        openai_images=OpenaiImageEndpoint(auth, submit, answers, streams, pieces, link_base, aliases),
        pictures=PictureEndpoint(kept, pieces, PictureReader(data), keys),
        health=HealthEndpoints(data, kept),
        documents=DocumentEndpoints(link_base),
    )
    return App(routes(endpoints), lifespan, task_watcher.close)


def submit_settings(settings: Settings) -> SubmitSettings:
    """What a picture costs and what a key may do."""
    return SubmitSettings(
        price_microcredits=settings.price_microcredits,
        creates_per_minute=settings.creates_per_minute,
        unfinished_max=settings.unfinished_max,
        idempotency_h=settings.idempotency_retention_h,
    )
