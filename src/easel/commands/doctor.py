"""`easel doctor`: reports what is configured, what can be reached, and what prevents Easel from working."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from easel.assembly import engines
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, database_of, installation, prepare_database
from easel.assembly.judges import classifier, endpoint
from easel.assembly.outlook import outlooks
from easel.assembly.storage import picture_store
from easel.commands.startup import start_warnings
from easel.commands.terminal.config_option import config_option
from easel.commands.terminal.options import data_dir_option, json_option
from easel.domain.errors import EaselError
from easel.domain.moderation.decision import LayerFailed
from easel.outside.data_folder import secret_file
from easel.outside.data_folder.access import access_problem
from easel.outside.data_folder.folder import is_empty
from easel.outside.data_folder.secret_file import SecretUnusable
from easel.outside.doctor import Finding
from easel.outside.judges import rulebook
from easel.outside.judges.classifier.folder import ClassifierUnusable
from easel.outside.judges.endpoint import EndpointUnusable
from easel.outside.judges.plugins import Plugin, PluginUnusable, load_plugins
from easel.outside.pictures.storage import StorageFailed
from easel.runtime import logs
from easel.settings.settings import Settings, SettingsWrong
from easel.store import pooled_role, workers
from easel.store.schema import SecretMismatch
from easel.store.workers import Census
from easel.supervisor import EXIT_UNUSABLE


def _ok(subject: str, words: str) -> Finding:
    return Finding(subject, is_ok=True, words=words)


def _problem(subject: str, words: object) -> Finding:
    return Finding(subject, is_ok=False, words=str(words))


@click.command(short_help="Check what Easel needs on this machine.")
@click.option(
    "--engines", "only_engines", is_flag=True, help="List what this machine can draw with, and about how fast."
)
@json_option
@data_dir_option
@config_option
def doctor(data_dir: Path | None, *, only_engines: bool, as_json: bool) -> None:
    """Check the database, storage, engine, device, secret and moderation, and report every problem.

    This command creates nothing. A data folder that is empty or does not exist yet is fine before the first start. A
    folder with other content and without a database is reported as the wrong folder.
    """
    if only_engines:
        _list_engines(data_dir, as_json=as_json)
        return
    problems = 0
    if as_json:
        found = list(_diagnoses(data_dir))
        click.echo(msgspec.json.encode(found))
        sys.exit(EXIT_UNUSABLE if any(not diagnosis.is_ok for diagnosis in found) else 0)
    for diagnosis in _diagnoses(data_dir):
        click.echo(f"{'ok     ' if diagnosis.is_ok else 'PROBLEM'}  {diagnosis.subject:<10} {diagnosis.words}")
        problems += not diagnosis.is_ok
    # Some problems, such as a misspelt setting, do not keep Easel from drawing.
    click.echo(f"{problems or 'No'} {'problem' if problems == 1 else 'problems'} found.")
    sys.exit(EXIT_UNUSABLE if problems else 0)


def _list_engines(data_dir: Path | None, *, as_json: bool) -> None:
    """Every engine, whichever the settings name."""
    try:
        config = read_settings(data_dir=data_dir)
    except SettingsWrong as error:
        raise click.ClickException(str(error)) from None
    found = outlooks(config)
    if as_json:
        click.echo(msgspec.json.encode(list(found)))
        return
    for outlook in found:
        click.echo(f"{'yes' if outlook.can_draw else 'no '}  {outlook.engine:<8} {outlook.words}")


def _diagnoses(data_dir: Path | None) -> Iterator[Finding]:
    for sentence in start_warnings.environment_warnings():
        yield _problem("settings", sentence)
    try:
        config = read_settings(data_dir=data_dir)
    except SettingsWrong as error:
        yield _problem("settings", error)
        return
    logs.configure("doctor", config.log_format, "error")
    links = config.public_url or "the address that each client uses"
    yield _ok("settings", f"data in {config.data_dir}, links to {links}")
    webs = "1 web process" if config.web_processes == 1 else f"{config.web_processes} web processes"
    yield _ok("web", f"{webs} on port {config.port}")
    folder_problem = access_problem(config.data_dir)
    if folder_problem is None or config.database_url is not None:
        yield from _secret_and_database(config)
    else:
        yield _problem("data", folder_problem)
    yield from _storage(config, folder_problem)
    for observation in engines.look(config):
        yield Finding(observation.subject, observation.is_usable, observation.words)
    yield from _moderation(config)


def _secret_and_database(config: Settings) -> Iterator[Finding]:
    found = list(_database(config))
    if not any(diagnosis.subject == "secret" for diagnosis in found):
        yield _secret(config)
    yield from found


def _secret(config: Settings) -> Finding:
    if config.secret is not None:
        return _ok("secret", "from the environment")
    if config.database_url is not None:
        return _problem("secret", "EASEL_SECRET is required with EASEL_DATABASE_URL")
    file = secret_file.secret_file(config.data_dir)
    try:
        secret = secret_file.find_secret(config.data_dir)
    except EaselError as error:
        return _problem("secret", error)
    if secret is None:
        return _ok("secret", f"none yet; the first start creates {file}")
    exposure = secret_file.exposure(config.data_dir)
    return _ok("secret", f"in {file}, readable by its owner only") if exposure is None else _problem("secret", exposure)


def _database(config: Settings) -> Iterator[Finding]:
    """Check the database, and report the secret too if it does not match the database."""
    kind = "private PostgreSQL" if config.database_url is None else "PostgreSQL at EASEL_DATABASE_URL"
    if config.database_url is None and not config.data_dir.exists():
        yield _ok("database", f"none yet; `easel serve` creates {config.data_dir}")
        return
    if config.database_url is None and is_empty(config.data_dir):
        yield _ok("database", f"none in {config.data_dir} yet; the first start creates it")
        return
    try:
        with installation(config, creates=False) as installed:
            pooler_problem = asyncio.run(_pooler_problem(config, installed))
            if pooler_problem is not None:
                yield _problem("database", f"{kind}: {pooler_problem}")
                return
            census, pauses = asyncio.run(_workers(config, installed))
    except SecretUnusable:
        yield _problem("database", f"{kind}: not checked without its secret")
        return
    except SecretMismatch as error:
        yield _problem("secret", error)
        yield _ok("database", f"{kind}, reachable")
        return
    except EaselError as error:
        yield _problem("database", f"{kind}: {error}")
        return
    yield _ok("database", f"{kind}, reachable, schema up to date")
    yield _ok(
        "workers",
        f"{census.live} running" if census.live else "none running; `easel serve` or `easel worker` starts them",
    )
    for reason in sorted(set(pauses)):
        count = pauses.count(reason)
        take = "worker takes no tasks, because its" if count == 1 else "workers take no tasks, because their"
        yield _problem("workers", f"{count} {take} engine fails: {reason}")


async def _pooler_problem(config: Settings, installed: Installation) -> str | None:
    """What is wrong with a pooler in front of the database."""
    if config.database_url is None:
        return None
    if installed.sessions.is_pooled:
        missing = await pooled_role.prepare(config.database_url)
        if missing:
            return (
                f"the pooler opened its connections before Easel set {', '.join(missing)} for its role: let it reconnect, "
                "with RECONNECT in PgBouncer's console"
            )
    elif await pooled_role.lends_sessions(config.database_url):
        return "this is a pooler that lends connections for one transaction: set EASEL_DATABASE_POOLER=transaction"
    return None


async def _workers(config: Settings, installed: Installation) -> tuple[Census, list[str]]:
    await prepare_database(installed, creates=False)
    database = database_of(config, installed)
    await database.open()
    try:
        async with database.reading() as connection:
            return await workers.census(connection), await workers.pauses(connection)
    finally:
        await database.close()


def _storage(config: Settings, folder_problem: str | None) -> Iterator[Finding]:
    folder = Path(config.pictures_url)
    if "://" not in config.pictures_url and folder.is_relative_to(config.data_dir):
        if folder_problem is not None:
            if config.database_url is not None:  # otherwise this problem has already been reported as "data"
                yield _problem("storage", folder_problem)
            return
        if not folder.exists():
            yield _ok("storage", f"none yet; the first start creates {folder}")
            return
    try:
        asyncio.run(picture_store(config).check())
    except StorageFailed as error:
        yield _problem("storage", error)
    else:
        yield _ok("storage", f"{config.pictures_url.partition('?')[0]}; writing, reading and deleting work")


def _moderation(config: Settings) -> Iterator[Finding]:
    """Every layer that is configured."""
    rules = rulebook.load()
    yield _ok("moderation", f"Easel's own rules, version {rules.version}, for {', '.join(rulebook.languages())}")
    try:
        for plugin in load_plugins(config.moderation_plugin_list):
            yield _ok("moderation", f"plug-in {plugin.name} {plugin.version}, for {_judged_by(plugin)}")
    except PluginUnusable as error:
        yield _problem("moderation", error)
    if config.moderation_url is not None:
        yield asyncio.run(_moderation_endpoint(config))
    picture_classifier = classifier(config)
    if picture_classifier is not None:
        try:
            picture_classifier.load()
        except ClassifierUnusable as error:
            yield _problem("moderation", error)
        else:
            words = f"picture classifier {picture_classifier.version} in {config.moderation_classifier}"
            yield _ok("moderation", words)


def _judged_by(plugin: Plugin) -> str:
    kinds = {"prompts": plugin.judges_prompts, "pictures": plugin.judges_pictures}
    return " and ".join(kind for kind, is_judged in kinds.items() if is_judged)


async def _moderation_endpoint(config: Settings) -> Finding:
    try:
        server = endpoint(config)
        assert server is not None
        async with contextlib.aclosing(server):
            return _ok("moderation", await server.look())
    except (EndpointUnusable, LayerFailed) as error:
        return _problem("moderation", error)
