"""`easel secret …`: what an operator does about the installation's secret."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from easel.actions.adopt_secret import adopt_secret
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, database_of, installation
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.outside.data_folder import secret_file, service_lock
from easel.outside.data_folder.folder import DataFolderUnusable, require_database
from easel.outside.postgres import private_postgres
from easel.runtime import logs
from easel.settings.settings import Settings
from easel.store import schema


@click.group("secret")
def secret_group() -> None:
    """Replace the installation's secret."""


@secret_group.command("reset", short_help="Replace a lost or leaked secret; ends every key.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@data_dir_option
def reset(data_dir: Path | None, *, is_sure: bool) -> None:
    """Give the installation a new secret: because the old one is lost, or because somebody read it.

    Every API key ends, and every link to a picture; a task that is read anew has a new link. Callbacks are signed with new
    secrets. Accounts, credits, tasks and pictures stay. With EASEL_SECRET or EASEL_SECRET_FILE that secret becomes the
    installation's, and otherwise a new one is made in the data folder. Easel must not run meanwhile.
    """
    with explain_failures():
        read = read_settings(data_dir=data_dir)
        logs.configure("command", read.log_format, "warning")
        with _stopped(read):
            if read.database_url is not None:
                with installation(read, creates=False) as installed:
                    asyncio.run(_look(read, installed))
            if not is_sure:
                click.confirm("Every API key, every link and every secret for callbacks ends. Go on?", abort=True)
            if read.database_url is None and read.secret is None:
                # The file first: broken off here, the next start refuses what does not match, and this can be repeated.
                secret, aside = secret_file.replace_secret(read.data_dir, datetime.now(UTC))
                read = msgspec.structs.replace(read, secret=secret)
                if aside is not None:
                    click.echo(f"The old secret is in {aside}: remove it when nothing needs it any more.")
            with installation(read) as installed:
                ended = asyncio.run(_adopt(read, installed))
    click.echo(f"The installation has a new secret; API keys ended: {ended}. `easel keys create` makes new ones.")


@contextlib.contextmanager
def _stopped(read: Settings) -> Iterator[None]:
    """Keep a service from starting meanwhile. Raises AlreadyRunning, DataFolderUnusable."""
    if read.database_url is None:
        require_database(read.data_dir)
        if private_postgres.is_in_use(read.data_dir):
            raise DataFolderUnusable(f"Easel runs on {read.data_dir}: stop it first.")
    with service_lock.held(read.data_dir):
        yield


async def _look(read: Settings, installed: Installation) -> None:
    """Raise SchemaUnusable where the database is not Easel's, DatabaseUnavailable where it cannot be reached."""
    database = database_of(read, installed)
    await database.open()
    try:
        async with database.reading() as connection:
            await schema.refuse_strange(connection)
    finally:
        await database.close()


async def _adopt(read: Settings, installed: Installation) -> int:
    database = database_of(read, installed)
    await database.open()
    try:
        return await adopt_secret(database, installed.secret)
    finally:
        await database.close()
