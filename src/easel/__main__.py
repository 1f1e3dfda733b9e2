"""The command line, `easel …`. Each command is imported only when it is called, because some import a lot."""

import difflib
import shutil
import signal
import sys
from importlib import import_module
from typing import Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

import easel
from easel.commands.terminal.config_option import config_option
from easel.commands.terminal.help_formatter import HelpFormatter
from easel.runtime import interruption, process_environment, standard_streams

WIDTH_MAX: Final = 100
"""The widest help."""


class _Entry(NamedTuple):
    """A command: where it is, and its purpose, which the help shows without importing it."""

    home: str
    purpose: str


_COMMANDS: Final = {
    "serve": _Entry("serve:serve", "Run the whole service on this machine."),
    "console": _Entry("console:console", "Print a link that signs in to the console."),
    "generate": _Entry("generate:generate", "Draw a picture of each PROMPT and write it to a file."),
    "mcp": _Entry("mcp:mcp_command", "Let an AI agent draw, as a server of the Model Context Protocol."),
    "tasks": _Entry("tasks:tasks_group", "List, show, fetch, cancel and delete tasks."),
    "keys": _Entry("keys:keys_group", "Create, list, limit and revoke API keys."),
    "groups": _Entry("groups:groups", "Manage groups of accounts and their prices."),
    "credits": _Entry("credits:credits_group", "Grant, adjust, show, audit and repair credits."),
    "audit": _Entry("audit:audit_command", "List what operators did, latest first."),
    "callbacks": _Entry("callbacks:callbacks_group", "List, show and redeliver callbacks."),
    "moderation": _Entry("moderation:moderation_group", "List, count and explain moderation decisions."),
    "doctor": _Entry("doctor:doctor", "Check what Easel needs on this machine."),
    "backup": _Entry("backup:backup", "Write a backup to FILE."),
    "restore": _Entry("restore:restore_command", "Restore FILE into an empty data folder."),
    "secret": _Entry("secret:secret_group", "Replace the installation's secret."),
    "web": _Entry("web:web", "Run web processes on their own, without workers."),
    "worker": _Entry("worker:worker", "Run one worker on its own."),
    "config": _Entry("config:config_command", "Show every setting, its value, and where it comes from."),
    "help": _Entry("help:help_command", "Explain a command, or a setting."),
    "completion": _Entry("completion:completion", "Print the script that completes commands and options in SHELL."),
}


class _Commands(click.Group):
    """The commands, each in its own module."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Called by click. Its help would be wider than a narrow terminal."""
        columns = min(shutil.get_terminal_size().columns, WIDTH_MAX)
        return super().make_context(info_name, args, parent, **{"terminal_width": columns - 2} | extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name, or None."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].home.partition(":")
        command = getattr(import_module(f"easel.commands.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name. Raises UsageError, which says which command was probably meant."""
        name = args[0]
        near = [] if name in _COMMANDS or ctx.resilient_parsing else difflib.get_close_matches(name, _COMMANDS, n=1)
        if near:
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, with whole sentences."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.purpose) for name, entry in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that a beginning may mean."""
        named = [
            CompletionItem(name, help=entry.purpose) for name, entry in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. An interruption that it does not handle sets the exit status."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(interruption.EXIT_INTERRUPTED)
        except click.Abort as abort:
            if isinstance(abort.__context__, KeyboardInterrupt):  # at a prompt, where click treats it as a refusal
                sys.exit(interruption.EXIT_INTERRUPTED)
            raise
        except BrokenPipeError:  # nobody reads the output any more; click ends the command
            raise
        except OSError as error:
            if not standard_streams.is_output_fault(error):
                raise
            standard_streams.drop_output()
            raise click.ClickException(f"Standard output cannot be written: {error.strerror}.") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH_MAX})
@click.version_option(easel.__version__, prog_name="easel")
@config_option
def main() -> None:
    """A self-hosted text-to-image service for Z-Image-Turbo.

    Settings are environment variables whose names begin with EASEL_. `easel help settings` lists them.
    """
    interruption.raise_again()
    standard_streams.open_closed()
    process_environment.keep_loopback_direct()
    # A signal before the command installs its own handler must still release everything, including the database.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _frame: sys.exit(128 + received))


# Every command's help, however it is reached.
click.Context.formatter_class = HelpFormatter

if __name__ == "__main__":
    main(prog_name="easel")
