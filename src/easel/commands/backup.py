"""`easel backup`: writes the private database, the secret and the pictures to one file."""

import asyncio
import contextlib
import sys
from pathlib import Path

import click

import easel
from easel.actions import back_up
from easel.actions.back_up import BackedUp, Source
from easel.assembly.installation import Installation, installation, open_database
from easel.assembly.storage import picture_store
from easel.commands.terminal.backup_options import (
    STANDARD_STREAM,
    file_argument,
    passphrase,
    passphrase_option,
    private_settings,
    summary,
)
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.outside.backup import backup_file
from easel.outside.backup.archive import BackupUnusable
from easel.outside.backup.backup_file import Output
from easel.outside.backup.seal import SealKey
from easel.outside.data_folder.folder import require_database
from easel.runtime import standard_streams
from easel.settings.settings import Settings


@click.command(short_help="Write a backup to FILE.")
@file_argument
@passphrase_option
@data_dir_option
def backup(file: Path, passphrase_file: Path | None, data_dir: Path | None) -> None:
    """Write the private database, the secret and the pictures to FILE. The service may be running.

    FILE contains the secret of the installation, so only its owner may read it. If FILE is -, the backup goes to
    standard output, for example to a program that encrypts it.

    The backup is sealed with the secret or with a passphrase. Restoring it requires the same one.
    """
    with explain_failures():
        config = private_settings(data_dir)
        sealed_with = passphrase(passphrase_file)
        require_database(config.data_dir)
        with _output(file) as output, installation(config, creates=False) as installed:
            key = SealKey.from_secret(installed.secret) if sealed_with is None else SealKey.from_passphrase(sealed_with)
            made = asyncio.run(_back_up(config, installed, output, key, _folder_of(file)))
    click.echo(summary(made.manifest, made.pictures, made.pictures_gone), err=True)
    if not made.manifest.has_pictures:
        click.echo(f"The pictures are not in the backup. They stay in {config.pictures_url}.", err=True)


async def _back_up(
    config: Settings, installed: Installation, output: Output, key: SealKey, working_dir: Path | None
) -> BackedUp:
    pictures = picture_store(config)
    async with open_database(config, installed) as database:
        source = Source(
            easel_version=easel.__version__,
            database=database,
            postgres_bin=config.postgres_bin,
            secret=installed.secret,
            is_secret_kept=config.secret is None,
            key=key,
            pictures=pictures if pictures.is_folder else None,
        )
        return await back_up.back_up(source, output, working_dir)


def _output(file: Path) -> contextlib.AbstractContextManager[Output]:
    if file == STANDARD_STREAM and standard_streams.was_closed(standard_streams.OUTPUT):
        raise BackupUnusable("Standard output is closed: name a file, or redirect it to a program.")
    return backup_file.streamed(sys.stdout.buffer) if file == STANDARD_STREAM else backup_file.created(file)


def _folder_of(file: Path) -> Path | None:
    return None if file == STANDARD_STREAM else file.absolute().parent
