"""Writes docs/reference/command-line.md from the commands themselves.

python -m tools.command_reference
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from easel.__main__ import main as easel

PAGE: Final = Path(__file__).parents[1] / "docs/reference/command-line.md"
HEAD: Final = """\
<!-- `make reference` writes this page from src/easel/commands. Do not edit it by hand. -->

# Command line

All commands work while the service runs, except `easel restore` and `easel secret reset`. Only `easel serve`,
`easel web`, `easel worker` and `easel keys create` create a data folder that does not exist.

Commands read the [settings](settings.md) from the environment, and from the file that `EASEL_CONFIG` names or
`easel --config FILE …`. An option takes precedence over its variable. Ctrl-C ends every command with status 130.
"""
GUIDES: Final = {
    "serve": "[Draw your first picture](../tutorial/first-picture.md)",
    "console": "[Use the console](../how-to/console.md)",
    "generate": "[Draw from the command line](../how-to/command-line.md)",
    "mcp": "[Let AI agents draw](../how-to/agents.md)",
    "tasks": "[Draw from the command line](../how-to/command-line.md#look-after-tasks)",
    "config": "[Settings](settings.md)",
    "completion": "[Draw from the command line](../how-to/command-line.md#complete-commands-in-your-shell)",
    "keys": "[Manage keys, limits and prices](../how-to/keys-limits-and-prices.md)",
    "groups": "[Set prices](../how-to/keys-limits-and-prices.md#set-prices)",
    "credits": "[Grant and take back credits](../how-to/keys-limits-and-prices.md#grant-and-take-back-credits)",
    "audit": "[See who did what](../how-to/keys-limits-and-prices.md#see-who-did-what)",
    "callbacks": "[Receive callbacks](../how-to/callbacks.md#for-operators)",
    "moderation": "[Configure moderation](../how-to/moderation.md)",
    "doctor": "[Check an installation](../how-to/check-an-installation.md)",
    "backup": "[Back up and restore](../how-to/back-up.md)",
    "restore": "[Back up and restore](../how-to/back-up.md)",
    "secret": "[Replace the secret](../how-to/replace-the-secret.md)",
    "web": "[Run on several machines](../how-to/more-machines.md)",
    "worker": "[Run on several machines](../how-to/more-machines.md)",
}
"""The guide that shows a command in use."""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page, as Markdown."""
    context = click.Context(easel, info_name="easel")
    commands = dict(_subcommands(easel, context))
    table = "".join(
        f"| [`easel {name}`](#easel-{name}) | {command.get_short_help_str(200)} | {GUIDES.get(name, '')} |\n"
        for name, command in commands.items()
    )
    sections = "".join(_section(command, context, name, "##") for name, command in commands.items())
    return f"{HEAD}\n| Command | Purpose | Guide |\n|---|---|---|\n{table}{sections}"


def _subcommands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield name, command


def _section(command: click.Command, parent: click.Context, name: str, heading: str) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    title = f"\n{heading} easel {context.command_path.removeprefix('easel ')}\n"
    if isinstance(command, click.Group):
        return title + "".join(_section(each, context, key, "###") for key, each in _subcommands(command, context))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    options = "".join(_row(record) for record in _records(command, context))
    return f"{title}\n```\n{usage}\n```\n\n{_prose(command)}\n\n| Option | Description |\n|---|---|\n{options}"


def _records(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield record


def _prose(command: click.Command) -> str:
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _row(record: tuple[str, str]) -> str:
    names, text = (" ".join(part.split()).replace("|", "\\|") for part in record)
    return f"| `{names}` | {text} |\n"


if __name__ == "__main__":
    main()
