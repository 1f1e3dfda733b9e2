"""Warnings before a process starts: mistakes that do not prevent the start but cause surprises later."""

import contextlib

import click

from easel.outside.data_folder import secret_file
from easel.runtime import network_environment, process_environment
from easel.runtime.network_environment import NetworkUnusable
from easel.settings import explanation, settings
from easel.settings.settings import Settings, SettingsWrong


def environment_warnings() -> list[str]:
    """A sentence for each variable that has no effect or a harmful one, and for a settings file that shows secrets."""
    found = settings.unknown_variables()
    with contextlib.suppress(SettingsWrong):  # reported when the settings are read
        exposure = explanation.exposed_file(process_environment.copy())
        found += [] if exposure is None else [exposure]
    try:
        network_environment.check_certificates()
    except NetworkUnusable as error:
        found.append(f"{error} Until then, nothing can be reached over HTTPS, and callbacks fail.")
    return found


def show_environment_warnings() -> None:
    """Print warnings about the environment to standard error. Call this before the settings are read, because a
    misspelt variable may be why they are refused."""
    for sentence in environment_warnings():
        _show(sentence)


def show_exposed_secret(config: Settings) -> None:
    """Print a warning to standard error if others can read the secret."""
    if config.database_url is None and config.secret is None:
        exposure = secret_file.exposure(config.data_dir)
        if exposure is not None:
            _show(exposure)


def _show(sentence: str) -> None:
    click.echo(f"Warning: {sentence}", err=True)
