"""`easel secret reset`: replaces the secret of an installation."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from easel.actions.adopt_secret import adopt_secret
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, installation, open_database
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.outside.data_folder import secret_file, service_lock
from easel.outside.data_folder.folder import DataFolderUnusable, require_database
from easel.outside.postgres import private_postgres
from easel.runtime import logs
from easel.settings.settings import Settings
from easel.store import schema


@click.group("secret", cls=CommandGroup)
def secret_group() -> None:
    """Replace the installation's secret."""


@secret_group.command("reset", short_help="Replace a lost or leaked secret. Ends every key.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask for confirmation.")
@data_dir_option
def reset(data_dir: Path | None, *, is_sure: bool) -> None:
    """Replace the secret of the installation, because the old one was lost or leaked. Stop Easel first.

    This ends every API key and every link to a picture. Reading a task again gives a new link. Callbacks are signed
    with new secrets. Accounts, credits, tasks and pictures stay.

    If EASEL_SECRET or EASEL_SECRET_FILE is set, its value becomes the new secret. Otherwise a new one is generated in
    the data folder.
    """
    with explain_failures():
        config = read_settings(data_dir=data_dir)
        logs.configure("command", config.log_format, "warning")
        with _stopped(config):
            if config.database_url is not None:
                with installation(config, creates=False) as installed:
                    asyncio.run(_check_schema(config, installed))
            if not is_sure:
                click.confirm("This ends every API key, every link and every callback secret. Continue?", abort=True)
            if config.database_url is None and config.secret is None:
                # The file first: after an interruption, the next start reports the mismatch, and a second reset mends
                # it.
                secret, aside = secret_file.replace_secret(config.data_dir, datetime.now(UTC))
                config = msgspec.structs.replace(config, secret=secret)
                if aside is not None:
                    click.echo(f"The old secret is in {aside}: delete it when nothing needs it any more.")
            with installation(config) as installed:
                ended = asyncio.run(_adopt(config, installed))
    click.echo(f"The installation has a new secret. API keys ended: {ended}. Create new ones with `easel keys create`.")


@contextlib.contextmanager
def _stopped(config: Settings) -> Iterator[None]:
    """Make sure that Easel does not run during the block. Raises AlreadyRunning, DataFolderUnusable."""
    if config.database_url is None:
        require_database(config.data_dir)
        if private_postgres.is_in_use(config.data_dir):
            raise DataFolderUnusable(f"Easel is running on {config.data_dir}: stop it first.")
    with service_lock.held(config.data_dir):
        yield


async def _check_schema(config: Settings, installed: Installation) -> None:
    """Raise SchemaUnusable if the database is not Easel's, DatabaseUnavailable if it cannot be reached."""
    async with open_database(config, installed) as database, database.reading() as reader:
        await schema.refuse_strange(reader)


async def _adopt(config: Settings, installed: Installation) -> int:
    async with open_database(config, installed) as database:
        return await adopt_secret(database, installed.secret)
