"""Reads the settings of the service from the environment, and checks them against the table of engines."""

from collections.abc import Mapping

from easel.assembly import engines
from easel.settings import settings
from easel.settings.settings import Settings


def read_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """The settings of the service; `overrides` (from the command line) win over the environment, unless None.

    Raises SettingsWrong.
    """
    config = settings.read(environ, **overrides)
    with settings.named_file(environ):
        engines.check(config)
    return config
