"""`easel help`: explains a command or a setting."""

import difflib

import click

from easel.settings.description import default_value, described, descriptions
from easel.settings.names import PREFIX, nearest, variable
from easel.settings.settings import ClientSettings, Settings
from easel.settings.types import admitted

_KINDS = (Settings, ClientSettings)
_SETTINGS = "settings"


@click.command("help")
@click.argument("topic", nargs=-1)
@click.pass_context
def help_command(context: click.Context, topic: tuple[str, ...]) -> None:
    """Explain a command, or a setting.

    TOPIC is a command such as `keys create`, the name of a setting, or the word settings, which lists them all.
    """
    words = list(topic)
    if words == [_SETTINGS]:
        click.echo(_all_settings(context))
    elif len(words) == 1 and words[0].upper().startswith(PREFIX):
        click.echo(_setting(words[0].upper()))
    else:
        click.echo(_command_help(context.find_root(), words))


def _command_help(context: click.Context, words: list[str]) -> str:
    """The help of a command. Raises UsageError."""
    command = context.command
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            known = command.list_commands(context) if isinstance(command, click.Group) else []
            near = difflib.get_close_matches(word, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(
                f"There is no command or setting {' '.join(words)}: `easel help` lists the commands.{hint}"
            )
        command, context = found, click.Context(found, info_name=word, parent=context)
    return command.get_help(context)


def _setting(name: str) -> str:
    """What a setting is. Raises UsageError."""
    for kind in _KINDS:
        for field in descriptions(kind):
            if variable(field) == name:
                default = described(kind, field).default or default_value(kind, field)
                lines = [described(kind, field).text, "", f"Value: {admitted(kind, field)}"]
                return "\n".join([name, "", *lines, *([f"Default: {default}"] if default else [])])
    near = nearest(name, [variable(field) for kind in _KINDS for field in descriptions(kind)])
    hint = f" Did you mean {near}?" if near else ""
    raise click.UsageError(f"There is no setting {name}: `easel help settings` lists them.{hint}")


def _all_settings(context: click.Context) -> str:
    formatter = context.make_formatter()
    rows = [(variable(name), f"{each.summary}.") for kind in _KINDS for name, each in descriptions(kind).items()]
    formatter.write_dl(rows)
    return formatter.getvalue().rstrip("\n")
