"""`easel restore`: fills a data folder from a backup."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

import easel
from easel.actions import restore
from easel.actions.restore import Proofs, Target
from easel.assembly.installation import Installation, installation, open_database
from easel.assembly.storage import picture_store
from easel.commands.terminal.backup_options import (
    STANDARD_STREAM,
    file_argument,
    passphrase,
    passphrase_option,
    private_settings,
    summary,
    text_in_file,
)
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.outside.backup import backup_file
from easel.outside.backup.archive import BackupReader, Ending, Manifest
from easel.outside.data_folder.folder import install_into
from easel.outside.data_folder.secret_file import write_secret
from easel.settings.settings import Settings, SettingsWrong


@click.command("restore", short_help="Restore FILE into an empty data folder.")
@file_argument
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the secret that sealed the backup.")
@passphrase_option
@click.option("--unverified", is_flag=True, help="Restore without checking who made the backup.")
@data_dir_option
def restore_command(
    file: Path, secret_file: Path | None, passphrase_file: Path | None, data_dir: Path | None, *, unverified: bool
) -> None:
    """Restore FILE, a backup from `easel backup`, into an empty data folder. If FILE is -, read it from standard input.

    Easel first checks the seal of the backup with the secret of its installation (--secret-file or EASEL_SECRET) or
    with the passphrase that sealed it. It does not use the secret inside FILE for this check, because that would prove
    nothing.
    """
    with explain_failures():
        config = private_settings(data_dir)
        proofs = Proofs(_secret(secret_file) or config.secret, passphrase(passphrase_file))
        with _input(file) as source:
            reader = BackupReader(source)
            manifest = reader.manifest()
            restore.check(manifest, easel.__version__, config.postgres_bin, config.secret)
            key = None if unverified else restore.seal_key(manifest, proofs)
            secret = reader.secret() if manifest.has_secret else None
            if manifest.sealed_with is not None:
                reader.seal(key)
            with install_into(config.data_dir, config.postgres_bin, config.postgres_user) as new_folder:
                ending = _fill(msgspec.structs.replace(config, data_dir=new_folder), reader, manifest, secret)
    click.echo(summary(manifest, ending.pictures, ending.pictures_gone))
    if not manifest.has_pictures:
        click.echo("The pictures are still in their bucket: set EASEL_STORAGE_URL as before.")
    click.echo(
        f"Everything is restored to {config.data_dir}. Start it with `easel serve --data-dir {config.data_dir}`."
    )


def _fill(inside: Settings, reader: BackupReader, manifest: Manifest, secret: str | None) -> Ending:
    """Restore into the data folder of these settings."""
    if secret is not None:
        write_secret(inside.data_dir, secret)
    with installation(inside) as installed:
        return asyncio.run(_restore(inside, installed, reader, manifest))


async def _restore(inside: Settings, installed: Installation, reader: BackupReader, manifest: Manifest) -> Ending:
    async with open_database(inside, installed) as database:
        target = Target(
            database=database,
            postgres_bin=inside.postgres_bin,
            secret=installed.secret,
            pictures=picture_store(inside),
            working_dir=inside.data_dir,
        )
        return await restore.restore(reader, manifest, target)


def _secret(file: Path | None) -> Secret | None:
    text = text_in_file(file, "--secret-file")
    if text is not None and len(text) < SECRET_CHARACTERS_MIN:
        raise SettingsWrong(
            f"--secret-file does not contain a secret of Easel, which has at least {SECRET_CHARACTERS_MIN} characters."
        )
    return None if text is None else Secret(text)


def _input(file: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if file == STANDARD_STREAM else backup_file.opened(file)
