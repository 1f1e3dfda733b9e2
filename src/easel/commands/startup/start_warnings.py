"""What an operator should know before a process starts: things that do not stop it and will surprise later."""

import click

from easel.outside.data_folder import secret_file
from easel.runtime import network_environment
from easel.runtime.network_environment import NetworkUnusable
from easel.settings import settings
from easel.settings.settings import Settings


def of_environment() -> list[str]:
    """A sentence for each variable that looks meant and has no effect, or a bad one."""
    found = settings.unknown_variables()
    try:
        network_environment.check_certificates()
    except NetworkUnusable as error:
        found.append(f"{error} Until then nothing over https can be reached, callbacks included.")
    return found


def show(read: Settings) -> None:
    """Print on standard error what is odd about the environment and the secret."""
    exposed = secret_file.exposure(read.data_dir) if read.database_url is None and read.secret is None else None
    for sentence in [*of_environment(), *([exposed] if exposed else [])]:
        click.echo(f"Warning: {sentence}", err=True)
