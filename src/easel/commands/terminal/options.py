"""Options that several commands have."""

from pathlib import Path

import click

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder of the data (EASEL_DATA_DIR)."
)
