"""`easel config`: shows every setting with its value and where it comes from."""

import click
import msgspec

from easel.assembly.configuration import read_settings
from easel.commands.terminal.config_option import config_option
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import json_option
from easel.commands.terminal.tables import show, table
from easel.runtime import process_environment
from easel.settings import explanation, settings


@click.command("config")
@click.option("--set", "only_set", is_flag=True, help="Show only settings that are not at their default.")
@config_option
@json_option
def config_command(only_set: bool, *, as_json: bool) -> None:
    """Show every setting, its value, and where it comes from.

    `environment`, `file` and `default` say where a value comes from; EASEL_CONFIG names the file. Secrets are masked.
    The command fails if Easel would refuse to start with these settings.
    """
    with explain_failures():
        found = [
            each
            for each in explanation.explain(process_environment.copy())
            if not only_set or each.source != explanation.DEFAULT
        ]
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        listed = table("Setting", "Value", "From")
        for each in found:
            listed.add_row(each.name, each.value, each.source)
        show(listed)
    with explain_failures():
        read_settings()
        settings.read_client()
