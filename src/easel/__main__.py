"""The command line, `easel …`."""

import signal
import sys

import click

import easel
from easel.commands.administration import credits_group, keys
from easel.commands.backup import backup, restore
from easel.commands.doctor import doctor
from easel.commands.generate import generate
from easel.commands.groups import groups
from easel.commands.processes import web, worker
from easel.commands.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(easel.__version__, prog_name="easel")
def main() -> None:
    """A self-hosted text-to-image service for Z-Image-Turbo.

    Settings are environment variables named EASEL_…; the README lists them.
    """
    # One that comes before a command listens for it still gives back what was taken, the database among it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _frame: sys.exit(128 + received))


for command in (serve, generate, keys, groups, credits_group, doctor, backup, restore, web, worker):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="easel")
