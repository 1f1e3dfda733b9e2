"""`easel doctor`: says in plain words what is configured, what can be reached, and what is missing."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from easel.assembly import engines
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, database_of, installation
from easel.assembly.judges import classifier, endpoint
from easel.assembly.storage import picture_store
from easel.commands.startup import start_warnings
from easel.commands.terminal.options import data_dir_option
from easel.domain.errors import EaselError
from easel.domain.moderation.decision import LayerFailed
from easel.outside.data_folder import secret_file
from easel.outside.data_folder.access import access_problem
from easel.outside.data_folder.folder import is_empty
from easel.outside.data_folder.secret_file import SecretUnusable
from easel.outside.judges import rulebook
from easel.outside.judges.classifier.folder import ClassifierUnusable
from easel.outside.judges.endpoint import EndpointUnusable
from easel.outside.judges.plugins import PluginUnusable, load_plugins
from easel.outside.pictures.storage import StorageFailed
from easel.runtime import logs
from easel.settings.settings import Settings, SettingsWrong
from easel.store import queue, schema
from easel.store.schema import SecretMismatch
from easel.supervisor import EXIT_UNUSABLE


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    subject: str
    is_well: bool
    words: str


@click.command(short_help="Check what Easel needs on this machine.")
@data_dir_option
def doctor(data_dir: Path | None) -> None:
    """Look at database, storage, engine, device, secret and moderation, and say what is missing.

    It makes nothing. A data folder that is empty, or not there, is one before its first start; any other without a
    database is the wrong one.
    """
    is_well = True
    for diagnosis in _diagnoses(data_dir):
        click.echo(f"{'ok     ' if diagnosis.is_well else 'MISSING'}  {diagnosis.subject:<10} {diagnosis.words}")
        is_well = is_well and diagnosis.is_well
    click.echo("Everything that Easel needs is there." if is_well else "Easel cannot draw until this is mended.")
    sys.exit(0 if is_well else EXIT_UNUSABLE)


def _diagnoses(data_dir: Path | None) -> Iterator[Diagnosis]:
    try:
        read = read_settings(data_dir=data_dir)
    except SettingsWrong as error:
        yield Diagnosis("settings", is_well=False, words=str(error))
        return
    logs.configure("doctor", read.log_format, "error")
    yield Diagnosis("settings", is_well=True, words=f"data in {read.data_dir}, links at {_links_at(read)}")
    for sentence in start_warnings.of_environment():
        yield Diagnosis("settings", is_well=False, words=sentence)
    fault = access_problem(read.data_dir)
    if fault is None or read.database_url is not None:
        yield from _secret_and_database(read)
    else:
        yield Diagnosis("data", is_well=False, words=fault)
    yield from _storage(read, fault)
    yield from _engine(read)
    yield from _moderation(read)


def _secret_and_database(read: Settings) -> Iterator[Diagnosis]:
    found = list(_database(read))
    if not any(diagnosis.subject == "secret" for diagnosis in found):
        yield _secret(read)
    yield from found


def _links_at(read: Settings) -> str:
    return read.public_url or "the address that each client uses"


def _secret(read: Settings) -> Diagnosis:
    if read.secret is not None:
        return Diagnosis("secret", is_well=True, words="given by the environment")
    if read.database_url is not None:
        return Diagnosis("secret", is_well=False, words="EASEL_SECRET is required with EASEL_DATABASE_URL")
    where = secret_file.secret_file(read.data_dir)
    try:
        is_there = secret_file.find_secret(read.data_dir) is not None
    except EaselError as error:
        return Diagnosis("secret", is_well=False, words=str(error))
    if not is_there:
        return Diagnosis("secret", is_well=True, words=f"none yet; the first start makes it in {where}")
    exposed = secret_file.exposure(read.data_dir)
    return Diagnosis("secret", is_well=exposed is None, words=exposed or f"kept in {where}, for its owner alone")


def _database(read: Settings) -> Iterator[Diagnosis]:
    """What there is to say of the database, and of the secret where it is another than the database's."""
    kind = "private PostgreSQL" if read.database_url is None else "PostgreSQL at EASEL_DATABASE_URL"
    if read.database_url is None and not read.data_dir.exists():
        words = f"not started yet: there is no {read.data_dir}; `easel serve` makes it"
        yield Diagnosis("database", is_well=True, words=words)
        return
    if read.database_url is None and is_empty(read.data_dir):
        yield Diagnosis("database", is_well=True, words=f"none yet in {read.data_dir}; the first start makes it")
        return
    try:
        with installation(read, creates=False) as installed:
            workers = asyncio.run(_ask_database(read, installed))
    except SecretUnusable:
        yield Diagnosis("database", is_well=False, words=f"{kind}: not asked without its secret")
        return
    except SecretMismatch as error:
        yield Diagnosis("secret", is_well=False, words=str(error))
        yield Diagnosis("database", is_well=True, words=f"{kind}, reachable")
        return
    except EaselError as error:
        yield Diagnosis("database", is_well=False, words=f"{kind}: {error}")
        return
    yield Diagnosis("database", is_well=True, words=f"{kind}, reachable, its schema is this version's")
    running = f"{workers} running" if workers else "none running now (`easel serve` or `easel worker` starts them)"
    yield Diagnosis("workers", is_well=True, words=running)


async def _ask_database(read: Settings, installed: Installation) -> int:
    await schema.prepare(installed.database_url, installed.secret, creates=False)
    database = database_of(read, installed)
    await database.open()
    try:
        async with database.reading() as connection:
            return await queue.live_workers(connection)
    finally:
        await database.close()


def _storage(read: Settings, fault: str | None) -> Iterator[Diagnosis]:
    folder = Path(read.pictures_url)
    if "://" not in read.pictures_url and folder.is_relative_to(read.data_dir):
        if fault is not None:
            if read.database_url is not None:  # else it is told of the data folder
                yield Diagnosis("storage", is_well=False, words=fault)
            return
        if not folder.exists():
            yield Diagnosis("storage", is_well=True, words=f"{folder}, not there yet; the first start makes it")
            return
    yield _look_at_storage(read)


def _look_at_storage(read: Settings) -> Diagnosis:
    try:
        pictures = picture_store(read)
        asyncio.run(pictures.check())
    except StorageFailed as error:
        return Diagnosis("storage", is_well=False, words=str(error))
    return Diagnosis("storage", is_well=True, words=f"{read.pictures_url.partition('?')[0]}, written, read and deleted")


def _engine(read: Settings) -> Iterator[Diagnosis]:
    for observation in engines.look(read):
        yield Diagnosis(observation.subject, observation.is_usable, observation.words)


def _moderation(read: Settings) -> Iterator[Diagnosis]:
    """Every layer that judges, and no other."""
    rules = rulebook.load()
    words = f"Easel's own rules, version {rules.version}, for {', '.join(rulebook.languages())}"
    yield Diagnosis("moderation", is_well=True, words=words)
    try:
        for plugin in load_plugins(read.moderation_plugin_list):
            judged = " and ".join(
                what
                for what, is_judged in (("prompts", plugin.judges_prompts), ("pictures", plugin.judges_pictures))
                if is_judged
            )
            yield Diagnosis("moderation", is_well=True, words=f"plug-in {plugin.name} {plugin.version}, for {judged}")
    except PluginUnusable as error:
        yield Diagnosis("moderation", is_well=False, words=str(error))
    if read.moderation_url is not None:
        yield asyncio.run(_look_at_endpoint(read))
    if (judge := classifier(read)) is not None:
        try:
            judge.load()
        except ClassifierUnusable as error:
            yield Diagnosis("moderation", is_well=False, words=str(error))
        else:
            words = f"picture classifier {judge.version} in {read.moderation_classifier}"
            yield Diagnosis("moderation", is_well=True, words=words)


async def _look_at_endpoint(read: Settings) -> Diagnosis:
    try:
        asked = endpoint(read)
        assert asked is not None
        async with contextlib.aclosing(asked):
            words = await asked.look()
    except (EndpointUnusable, LayerFailed) as error:
        return Diagnosis("moderation", is_well=False, words=str(error))
    return Diagnosis("moderation", is_well=True, words=words)
