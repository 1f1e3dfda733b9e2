"""The command line, `easel …`. Each command is imported only when it is called, because some import a lot."""

import signal
import sys
from importlib import import_module
from typing import Final

import click

import easel
from easel.runtime import interruption, process_environment, standard_streams

_COMMANDS: Final = {
    "serve": "easel.commands.serve:serve",
    "console": "easel.commands.console:console",
    "generate": "easel.commands.generate:generate",
    "keys": "easel.commands.keys:keys_group",
    "groups": "easel.commands.groups:groups",
    "credits": "easel.commands.credits:credits_group",
    "audit": "easel.commands.audit:audit_command",
    "callbacks": "easel.commands.callbacks:callbacks_group",
    "moderation": "easel.commands.moderation:moderation_group",
    "doctor": "easel.commands.doctor:doctor",
    "backup": "easel.commands.backup:backup",
    "restore": "easel.commands.restore:restore_command",
    "secret": "easel.commands.secret:secret_group",
    "web": "easel.commands.web:web",
    "worker": "easel.commands.worker:worker",
}


class _Commands(click.Group):
    """The commands, each in its own module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name, or None."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(easel.__version__, prog_name="easel")
def main() -> None:
    """A self-hosted text-to-image service for Z-Image-Turbo.

    Settings are environment variables whose names begin with EASEL_. docs/reference/settings.md describes them all.
    """
    interruption.raise_again()
    standard_streams.open_closed()
    process_environment.keep_loopback_direct()
    # A signal before the command installs its own handler must still release everything, including the database.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _frame: sys.exit(128 + received))


if __name__ == "__main__":
    main(prog_name="easel")
