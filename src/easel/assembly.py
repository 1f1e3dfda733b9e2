"""Builds each process's objects out of the settings; the only place that picks concrete classes.

Engines are imported by name, inside a function, so that neither the web process nor the command line loads PyTorch.
"""

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

import easel
from easel.actions.draw import Draw, DrawSettings
from easel.actions.forecast import Forecast
from easel.actions.newsroom import Newsroom
from easel.actions.submit import Submit, SubmitSettings
from easel.actions.sweep import Lifetimes, Sweep
from easel.domain import link
from easel.domain.link import LinkKeys
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.engines.engine import Engine, EngineUnusable
from easel.outside import private_postgres
from easel.outside.pictures import Pictures
from easel.outside.private_postgres import PrivatePostgres
from easel.settings import Settings, SettingsWrong
from easel.store.database import Database
from easel.store.news import Channel
from easel.web.account import AccountEndpoints
from easel.web.app import App, Endpoints, routes
from easel.web.auth import Auth, AuthLimits
from easel.web.events import EventEndpoint
from easel.web.health import HealthEndpoints
from easel.web.links import LinkBase
from easel.web.openai_images import OpenaiImageEndpoint
from easel.web.pictures import PictureEndpoint
from easel.web.task_answers import TaskAnswers
from easel.web.task_lists import TaskListEndpoints
from easel.web.tasks import TaskEndpoints
from easel.worker import Worker

if TYPE_CHECKING:
    from easel.engines.remote import Remote

EXIT_HUNG: Final = 70
LIST_DEVICES_TIMEOUT_S: Final = 120


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an installation's data is, and its secret. `private` is its own database's server, if it has one."""

    database_url: str
    secret: Secret
    private: PrivatePostgres | None


@contextmanager
def installation(settings: Settings) -> Iterator[Installation]:
    """The installation that the settings describe; its private database runs meanwhile.

    Raises SettingsWrong, and PostgresUnusable where a private database cannot run.
    """
    if settings.database_url is not None:
        if settings.secret is None:
            raise SettingsWrong(
                "EASEL_SECRET is required with EASEL_DATABASE_URL, the same for every process: "
                "make one with `openssl rand -hex 32`."
            )
        yield Installation(settings.database_url, settings.secret, None)
        return
    with private_postgres.attach(settings.data_dir, settings.postgres_bin, settings.postgres_user) as private:
        yield Installation(private.url, settings.secret or kept_secret(settings.data_dir), private)


def kept_secret(data_dir: Path) -> Secret:
    """The data folder's own secret, made at first use; only its owner may read it."""
    file = secret_file(data_dir)
    try:
        if not file.exists():
            keep_secret(data_dir, secrets.token_hex(32))
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsWrong(f"The secret in {file} cannot be read or made ({error.strerror}).") from None
    if len(text) < SECRET_CHARACTERS_MIN:
        raise SettingsWrong(f"The secret in {file} is damaged: put it back from a backup.")
    return Secret(text)


def keep_secret(data_dir: Path, text: str) -> None:
    """Write a secret aside and link it into place: of two processes one wins, and no reader ever sees half of it."""
    file = secret_file(data_dir)
    aside = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(aside)
    finally:
        aside.unlink()
    # The database will hold this secret's fingerprint: the file must not be the one of the two that a crash loses.
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def secret_file(data_dir: Path) -> Path:
    """Where the data folder keeps its secret."""
    return data_dir / "secret"


def pepper(secret: Secret) -> bytes:
    """What API keys are digested with."""
    return secret.derive("api keys")


def link_keys(secret: Secret) -> LinkKeys:
    """What links are signed with."""
    return link.link_keys(secret.derive("links"))


def database(settings: Settings, installed: Installation) -> Database:
    """This process's connections, not yet open."""
    return Database(installed.database_url, settings.database_connections)


def pictures(settings: Settings) -> Pictures:
    """Where pictures are kept. Raises StorageUnusable for a URL that cannot be one."""
    return Pictures(settings.pictures_url)


def web_app(settings: Settings, installed: Installation) -> App:
    """The web process's application."""
    data = database(settings, installed)
    kept = pictures(settings)
    keys = link_keys(installed.secret)
    newsroom = Newsroom(data, Channel.CHANGES)
    forecast = Forecast(data, settings.backlog_max)
    auth = Auth(
        data,
        pepper(installed.secret),
        AuthLimits(settings.reads_per_minute, settings.auth_failures_per_minute),
    )
    answers = TaskAnswers(data, newsroom, forecast, keys)
    submit = Submit(data, forecast, submit_settings(settings))
    link_base = LinkBase(settings.public_url)
    swept = sweep(settings, data, kept)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await data.open()
        beside = [asyncio.create_task(work) for work in (newsroom.run(), swept.run())]
        yield
        for task in beside:
            task.cancel()
        await data.close()

    endpoints = Endpoints(
        tasks=TaskEndpoints(auth, submit, answers, kept, link_base),
        task_lists=TaskListEndpoints(auth, answers),
        events=EventEndpoint(auth, answers),
        account=AccountEndpoints(data, auth),
        openai_images=OpenaiImageEndpoint(auth, submit, answers, kept, link_base),
        pictures=PictureEndpoint(kept, keys),
        health=HealthEndpoints(data, kept),
    )
    return App(routes(endpoints), lifespan, newsroom.close)


def submit_settings(settings: Settings) -> SubmitSettings:
    """What a picture costs and what a key may do."""
    return SubmitSettings(
        price_microcredits=settings.price_microcredits,
        creates_per_minute=settings.creates_per_minute,
        unfinished_max=settings.unfinished_max,
        idempotency_h=settings.idempotency_retention_h,
    )


def sweep(settings: Settings, data: Database, kept: Pictures) -> Sweep:
    """What ends tasks that waited too long and removes what grew old."""
    lifetimes = Lifetimes(
        queue_timeout_s=settings.queue_timeout_s,
        picture_h=settings.picture_retention_h or None,
        prompt_h=settings.prompt_retention_h or None,
        idempotency_h=settings.idempotency_retention_h,
    )
    return Sweep(data, kept, lifetimes)


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """A worker process: its connections, what draws, and what takes the jobs."""

    databases: Sequence[Database]
    draw: Draw
    worker: Worker


def worker_parts(settings: Settings, installed: Installation) -> WorkerParts:
    """The worker process's objects. Raises EngineUnusable."""
    data = Database(installed.database_url, settings.database_connections // 2)
    notes = Database(installed.database_url, -(-settings.database_connections // 2), waits_for_disk=False)
    kept = pictures(settings)
    newsroom = Newsroom(data, Channel.CANCELS)
    draw = Draw(
        data,
        notes,
        newsroom,
        kept,
        engine(settings),
        DrawSettings(
            picture_name_secret=installed.secret.derive("picture names"),
            easel_version=easel.__version__,
            recipe_in_pictures=settings.provenance,
            draw_timeout_s=settings.draw_timeout_s,
            step_timeout_s=settings.step_timeout_s,
            on_hung=lambda: os._exit(EXIT_HUNG),
        ),
    )
    worker = Worker(data, notes, draw, newsroom, sweep(settings, data, kept), settings.drain_timeout_s)
    return WorkerParts([data, notes], draw, worker)


def engine(settings: Settings) -> Engine:
    """The engine that the settings name, not yet loaded. Raises EngineUnusable where it is not installed."""
    if settings.engine == "blank":
        from easel.engines.blank import Blank

        return Blank(step_s=settings.blank_step_s)
    if settings.engine == "remote":
        return remote(settings)
    from easel.engines.zimage import ZImage

    return ZImage(settings.model, settings.device)


def remote(settings: Settings) -> "Remote":
    """The engine that asks an image server, not yet loaded. Raises EngineUnusable."""
    from easel.engines.remote import ImageServer, Remote

    assert settings.remote_url is not None, "the settings are refused without it"
    return Remote(
        ImageServer(
            url=settings.remote_url,
            model=settings.remote_model,
            api_key=settings.remote_api_key,
            timeout_s=settings.remote_timeout_s,
            draws_at_once=settings.remote_draws_at_once,
            steps=settings.remote_steps,
        )
    )


def devices(settings: Settings) -> list[str]:
    """The devices to put one worker on each; one for an engine to which it does not matter. Raises EngineUnusable.

    PyTorch is asked in a process of its own, so that this one stays small and keeps its hands off the GPU.
    """
    if settings.engine != "zimage" or settings.device != "auto":
        return [settings.device]
    code = "import msgspec, sys\nfrom easel.engines.zimage_devices import devices\n"
    code += "sys.stdout.buffer.write(msgspec.json.encode(devices()))"
    try:
        asked = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-c", code], capture_output=True, timeout=LIST_DEVICES_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineUnusable(
            f"PyTorch did not list its devices within {LIST_DEVICES_TIMEOUT_S} seconds: name one in EASEL_DEVICE."
        ) from None
    if asked.returncode != 0:
        lines = asked.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1].rpartition("EngineUnusable: ")[2] if lines else "PyTorch failed."
        raise EngineUnusable(reason)
    return msgspec.json.decode(asked.stdout, type=list[str])
