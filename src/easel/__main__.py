"""The command line, `easel …`."""

import signal
import sys
from typing import Final

import click

import easel
from easel.commands.administration import credits_group, keys
from easel.commands.doctor import doctor
from easel.commands.generate import generate
from easel.commands.processes import web, worker
from easel.commands.serve import serve

EXIT_TERMINATED: Final = 128 + signal.SIGTERM


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(easel.__version__, prog_name="easel")
def main() -> None:
    """A self-hosted text-to-image service for Z-Image-Turbo.

    Settings are environment variables named EASEL_…; the README lists them.
    """
    # A SIGTERM that comes before a command listens for it still gives back what was taken, the database among it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))


for command in (serve, generate, keys, credits_group, doctor, web, worker):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="easel")
