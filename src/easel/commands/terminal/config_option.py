"""The option that names the settings file. It imports almost nothing, because every start of the command line loads
it."""

from pathlib import Path
from typing import Final

import click

from easel.runtime import process_environment

VARIABLE: Final = "EASEL_CONFIG"


def _name_file(_context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Name the file in the environment, where everything that reads settings looks for it."""
    if path is not None:
        process_environment.set_variable(VARIABLE, str(path.absolute()))


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    expose_value=False,
    is_eager=True,
    callback=_name_file,
    help=f"TOML file with settings. Variables of the environment take precedence.  [{VARIABLE}]",
)
