"""Groups of commands, whose help lists them with whole sentences, however narrow the terminal."""

import click

SENTENCE_CHARACTERS_MAX = 200


class CommandGroup(click.Group):
    """A command that has commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(SENTENCE_CHARACTERS_MAX))
                    for name, command in found
                    if command is not None and not command.hidden
                ]
            )
