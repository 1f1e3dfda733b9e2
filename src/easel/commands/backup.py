"""`easel backup` and `easel restore`: the private database, the secret and the pictures in one file, and back."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import BinaryIO, Final

import click
import msgspec

import easel
from easel import logs, standard_streams
from easel.actions import back_up as backing_up
from easel.actions import restore as restoring
from easel.actions.back_up import BackedUp, Source
from easel.actions.restore import Proofs, Target
from easel.assembly.installation import Installation, database_of, installation, keep_secret
from easel.assembly.storage import picture_store
from easel.commands.administration import data_dir_option
from easel.commands.terminal.failures import told_plainly
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.outside.backup import output as backup_output
from easel.outside.backup import seal as backup_seal
from easel.outside.backup.file import BackupReader, BackupUnusable, Ending, Manifest
from easel.outside.backup.output import Output
from easel.outside.backup.seal import PASSPHRASE_CHARACTERS_MIN, SealKey
from easel.outside.data_folder import folder as data_folder
from easel.settings import files as setting_files
from easel.settings import settings
from easel.settings.settings import Settings, SettingsWrong

STANDARD_STREAM: Final = Path("-")
_file_argument = click.argument("file", type=click.Path(path_type=Path))


_passphrase_option = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), help="File with the passphrase that seals the backup."
)


@click.command(short_help="Write a backup to FILE.")
@_file_argument
@_passphrase_option
@data_dir_option
def backup(file: Path, passphrase_file: Path | None, data_dir: Path | None) -> None:
    """Write the private database, the secret and the pictures into FILE, beside a running service.

    Whoever has FILE has the installation's secret, so only its owner may read it. `-` is standard output, for a
    program that encrypts. FILE is sealed, with the secret or with a passphrase; restoring it asks for the same.
    """
    with told_plainly():
        read = _settings(data_dir)
        passphrase = _passphrase(passphrase_file)
        data_folder.require_database(read.data_dir)
        with _output(file) as output, installation(read, creates=False) as installed:
            key = (
                backup_seal.of_secret(installed.secret) if passphrase is None else backup_seal.of_passphrase(passphrase)
            )
            made = asyncio.run(_back_up(read, installed, output, key, _beside(file)))
    click.echo(_summary(made.manifest, made.pictures, made.pictures_gone), err=True)
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
        return await backing_up.back_up(source, output, working_dir)
    finally:
        await database.close()


@click.command(short_help="Restore FILE into an empty data folder.")
@_file_argument
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the secret that sealed the backup.")
@_passphrase_option
@click.option("--unverified", is_flag=True, help="Restore without checking who made the backup.")
@data_dir_option
def restore(
    file: Path, secret_file: Path | None, passphrase_file: Path | None, data_dir: Path | None, *, unverified: bool
) -> None:
    """Fill an empty data folder from FILE, which `easel backup` made. `-` is standard input.

    FILE's seal is checked first, with the secret of its installation (--secret-file, or EASEL_SECRET) or the passphrase
    that it was sealed with. The secret in FILE itself would prove nothing.
    """
    with told_plainly():
        read = _settings(data_dir)
        proofs = Proofs(_secret(secret_file) or read.secret, _passphrase(passphrase_file))
        with _input(file) as source:
            reader = BackupReader(source)
            manifest = reader.manifest()
            restoring.check(manifest, easel.__version__, read.postgres_bin, read.secret)
            key = None if unverified else restoring.seal_key(manifest, proofs)
            secret = reader.secret() if manifest.has_secret else None
            if manifest.sealed_with is not None:
                reader.seal(key)
            with data_folder.prepared(read.data_dir, read.postgres_bin, read.postgres_user) as aside:
                ending = _fill(msgspec.structs.replace(read, data_dir=aside), reader, manifest, secret)
    click.echo(_summary(manifest, ending.pictures, ending.pictures_gone))
    if not manifest.has_pictures:
        click.echo("The pictures are still in their bucket: set EASEL_STORAGE_URL as it was.")
    click.echo(f"Everything is in {read.data_dir} now: `easel serve --data-dir {read.data_dir}` goes on with it.")


def _fill(inside: Settings, reader: BackupReader, manifest: Manifest, secret: str | None) -> Ending:
    """Fill the installation that the settings describe."""
    if secret is not None:
        keep_secret(inside.data_dir, secret)
    with installation(inside) as installed:
        return asyncio.run(_restore(inside, installed, reader, manifest))


async def _restore(inside: Settings, installed: Installation, reader: BackupReader, manifest: Manifest) -> Ending:
    database = database_of(inside, installed)
    target = Target(
        database=database,
        postgres_bin=inside.postgres_bin,
        secret=installed.secret,
        pictures=picture_store(inside),
        working_dir=inside.data_dir,
    )
    await database.open()
    try:
        return await restoring.restore(reader, manifest, target)
    finally:
        await database.close()


def _settings(data_dir: Path | None) -> Settings:
    read = settings.read(data_dir=data_dir)
    logs.configure("command", read.log_format, "warning")
    if read.database_url is not None:
        raise SettingsWrong(
            "EASEL_DATABASE_URL is set, and `easel backup` and `easel restore` are for the private database: back up "
            "a server of your own with its own tools, such as pg_dump, and keep EASEL_SECRET and the pictures with it."
        )
    return read


def _secret(file: Path | None) -> Secret | None:
    text = _text_in(file, "--secret-file")
    if text is not None and len(text) < SECRET_CHARACTERS_MIN:
        raise SettingsWrong(
            f"--secret-file holds no secret of Easel, which has {SECRET_CHARACTERS_MIN} characters or more."
        )
    return None if text is None else Secret(text)


def _passphrase(file: Path | None) -> str | None:
    text = _text_in(file, "--passphrase-file")
    if text is not None and len(text) < PASSPHRASE_CHARACTERS_MIN:
        raise SettingsWrong(
            f"--passphrase-file holds less than {PASSPHRASE_CHARACTERS_MIN} characters: choose a longer one."
        )
    return text


def _text_in(file: Path | None, option: str) -> str | None:
    return None if file is None else setting_files.text_in(option, file)


def _output(file: Path) -> contextlib.AbstractContextManager[Output]:
    if file == STANDARD_STREAM and standard_streams.was_closed(standard_streams.OUTPUT):
        raise BackupUnusable("Standard output is closed: name a file, or send it to a program.")
    return backup_output.streamed(sys.stdout.buffer) if file == STANDARD_STREAM else backup_output.written(file)


def _input(file: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if file == STANDARD_STREAM else backup_output.opened(file)


def _beside(file: Path) -> Path | None:
    return None if file == STANDARD_STREAM else file.absolute().parent


def _summary(manifest: Manifest, pictures: int, pictures_gone: int) -> str:
    words = (
        f"{_count(manifest.accounts, 'account')}, {_count(manifest.tasks, 'task')} ({manifest.unfinished} unfinished) "
        f"and {_count(pictures, 'picture')}, as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    return words + (f" Deleted meanwhile: {_count(pictures_gone, 'picture')}." if pictures_gone else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
