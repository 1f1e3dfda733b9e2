"""Options that several commands share. An option that overrides a setting takes its help text from that setting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from easel.settings.description import default_value, described
from easel.settings.names import option, variable
from easel.settings.settings import ClientSettings, Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


def setting_option(
    name: str,
    kind: type[Settings] | type[ClientSettings] = Settings,
    *,
    flag: str = "",
    type_: click.ParamType[Any] | type | None = None,
) -> Callable[[_Command], _Command]:
    """The option that takes precedence over a setting."""
    default = default_value(kind, name)
    note = f"{variable(name)}; default: {default}" if default else variable(name)
    text = described(kind, name).summary.replace("`", "")
    return click.option(flag or option(name), name, type=type_, help=f"{text}.  [{note}]")


host_option = setting_option("host")
port_option = setting_option("port", type_=int)
data_dir_option = setting_option("data_dir", type_=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
