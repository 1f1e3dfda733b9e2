"""What `easel backup` and `easel restore` share: arguments, a check of the settings, and the summary."""

from pathlib import Path
from typing import Final

import click

from easel.assembly.configuration import read_settings
from easel.outside.backup.archive import Manifest
from easel.outside.backup.seal import PASSPHRASE_CHARACTERS_MIN
from easel.runtime import logs
from easel.settings import files
from easel.settings.settings import Settings, SettingsWrong

STANDARD_STREAM: Final = Path("-")
file_argument = click.argument("file", type=click.Path(path_type=Path))
passphrase_option = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), help="File with the passphrase of the seal."
)


def private_settings(data_dir: Path | None) -> Settings:
    """The settings of an installation with a private database. Raises SettingsWrong for any other."""
    config = read_settings(data_dir=data_dir)
    logs.configure("command", config.log_format, "warning")
    if config.database_url is not None:
        raise SettingsWrong(
            "EASEL_DATABASE_URL is set, but `easel backup` and `easel restore` work only with the private database. "
            "Back up your server with its own tools, such as pg_dump, and store EASEL_SECRET and the pictures with it."
        )
    return config


def passphrase(file: Path | None) -> str | None:
    """The passphrase in the file that --passphrase-file names. Raises SettingsWrong."""
    text = text_in_file(file, "--passphrase-file")
    if text is not None and len(text) < PASSPHRASE_CHARACTERS_MIN:
        raise SettingsWrong(
            f"--passphrase-file contains fewer than {PASSPHRASE_CHARACTERS_MIN} characters: choose a longer passphrase."
        )
    return text


def text_in_file(file: Path | None, option: str) -> str | None:
    """The content of the file that an option names. Raises SettingsWrong."""
    return None if file is None else files.text_in(option, file)


def summary(manifest: Manifest, pictures: int, pictures_gone: int) -> str:
    """The contents of a backup in one sentence."""
    words = (
        f"{_count(manifest.accounts, 'account')}, {_count(manifest.tasks, 'task')} ({manifest.unfinished} unfinished) "
        f"and {_count(pictures, 'picture')}, as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    return words + (f" Deleted meanwhile: {_count(pictures_gone, 'picture')}." if pictures_gone else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
