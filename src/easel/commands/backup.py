"""`easel backup`: the private database, the secret and the pictures in one file."""

import asyncio
import contextlib
import sys
from pathlib import Path

import click

import easel
from easel.actions import back_up
from easel.actions.back_up import BackedUp, Source
from easel.assembly.installation import Installation, database_of, installation
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
    """Write the private database, the secret and the pictures into FILE, beside a running service.

    Whoever has FILE has the installation's secret, so only its owner may read it. `-` is standard output, for a
    program that encrypts. FILE is sealed, with the secret or with a passphrase; restoring it asks for the same.
    """
    with explain_failures():
        read = private_settings(data_dir)
        sealed_with = passphrase(passphrase_file)
        require_database(read.data_dir)
        with _output(file) as output, installation(read, creates=False) as installed:
            key = SealKey.from_secret(installed.secret) if sealed_with is None else SealKey.from_passphrase(sealed_with)
            made = asyncio.run(_back_up(read, installed, output, key, _beside(file)))
    click.echo(summary(made.manifest, made.pictures, made.pictures_gone), err=True)
    if not made.manifest.has_pictures:
        click.echo(f"The pictures stay in {read.pictures_url}.", err=True)


async def _back_up(
    read: Settings, installed: Installation, output: Output, key: SealKey, working_dir: Path | None
) -> BackedUp:
    pictures = picture_store(read)
    database = database_of(read, installed)
    source = Source(
        easel_version=easel.__version__,
        database=database,
        postgres_bin=read.postgres_bin,
        secret=installed.secret,
        is_secret_kept=read.secret is None,
        key=key,
        pictures=pictures if pictures.is_folder else None,
    )
    await database.open()
    try:
        return await back_up.back_up(source, output, working_dir)
    finally:
        await database.close()


def _output(file: Path) -> contextlib.AbstractContextManager[Output]:
    if file == STANDARD_STREAM and standard_streams.was_closed(standard_streams.OUTPUT):
        raise BackupUnusable("Standard output is closed: name a file, or send it to a program.")
    return backup_file.streamed(sys.stdout.buffer) if file == STANDARD_STREAM else backup_file.created(file)


def _beside(file: Path) -> Path | None:
    return None if file == STANDARD_STREAM else file.absolute().parent
