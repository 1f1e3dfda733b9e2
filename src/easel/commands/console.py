"""`easel console`: prints a link that signs in to the console."""

from pathlib import Path

import click

from easel.actions import console_sessions
from easel.actions.console_sessions import IssuedLink
from easel.assembly.configuration import read_settings
from easel.assembly.installation import pepper
from easel.commands.terminal.console_link import service_url, sign_in_address
from easel.commands.terminal.database_session import with_installation
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option
from easel.domain.console_session import LINK_LIFETIME_S
from easel.settings.settings import Settings


@click.command(short_help="Print a link that signs in to the console.")
@click.option("--account", help="Account to sign in to.  [default: the first account]")
@data_dir_option
def console(account: str | None, data_dir: Path | None) -> None:
    """Print a link that signs in to the console, once and within ten minutes.

    The session has the rights of the account's oldest valid key, and ends when that key is revoked.
    """
    config = _settings(data_dir)
    issued: IssuedLink | None = with_installation(
        data_dir, pepper, lambda database, key_pepper: console_sessions.issue_link(database, key_pepper, account)
    )
    if issued is None:
        raise click.ClickException(
            "There is no such account, or it has no valid key: `easel keys list` lists all keys, and `easel keys create` "
            "creates one."
        )
    named = f' ("{issued.key.name}")' if issued.key.name else ""
    click.echo(
        f'Sign in as account "{issued.key.account}" with key {issued.key.id}{named}, within {LINK_LIFETIME_S // 60} minutes '
        f"and once:\n\n    {sign_in_address(issued, service_url(config))}\n"
    )


def _settings(data_dir: Path | None) -> Settings:
    with explain_failures():
        config = read_settings(data_dir=data_dir)
    if config.console == "off":
        raise click.ClickException("The console is switched off: unset EASEL_CONSOLE to serve it.")
    return config
