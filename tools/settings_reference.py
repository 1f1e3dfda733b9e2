"""Writes docs/reference/settings.md from the descriptions of the settings themselves.

python -m tools.settings_reference
"""

from pathlib import Path
from typing import Final

import msgspec

from easel.assembly.engines import ENGINES
from easel.settings import types
from easel.settings.description import Description, Group, default_value, descriptions
from easel.settings.fields.usage import LIMIT_MAX
from easel.settings.names import variable
from easel.settings.settings import ClientSettings, Settings

PAGE: Final = Path(__file__).parents[1] / "docs/reference/settings.md"
UNITS: Final = {"_s": "seconds", "_h": "hours"}
HEAD: Final = """\
<!-- `make reference` writes this page from src/easel/settings/fields. Do not edit it by hand. -->

# Settings

Settings are environment variables whose names begin with `EASEL_`. Commands have options for some of them, such as
`--port`; an option takes precedence over its variable. An empty variable counts as unset.

Easel refuses to start with a value that it cannot use, and says which value would be right. It warns about variables
that begin with `EASEL_` and are not on this page.

`easel config` shows every setting with its value and where it comes from, without secrets.

## Settings file

Settings can also be written in a TOML file, which `EASEL_CONFIG` or the option `--config` names:

```toml
port = 8080
engine = "zimage"
cors_origins = ["https://app.your-domain.com"]
secret_file = "/etc/easel/secret"
```

Each setting has the name of its variable in lower case, without `EASEL_`. A variable of the environment takes precedence,
and so does an option. An unknown name is an error. `easel serve` reads the file once, so restart it after a change.

## Files with secrets

A variable whose name ends in `_FILE` names a file that holds the value. Use it for secrets, and set only one of the two.
"""
TAIL: Final = """
## Other variables

- libpq's variables (`PGSERVICE`, `PGSSLROOTCERT` …) apply with `EASEL_DATABASE_URL` only.
- `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` apply to the client, buckets and downloads from the Hugging Face
  hub. Connections to this machine never use a proxy.
- `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's certificate authorities wherever Easel opens a TLS connection.

Easel reports nothing to anybody, unless you send traces to a collector of your own. It switches off the
telemetry of the libraries that it uses.
"""


def page() -> str:
    """The whole page."""
    sections = (section(group) for group in Group)
    return HEAD + "".join(sections) + TAIL


def section(group: Group) -> str:
    """The heading and the table of one group."""
    lines = [f"\n## {group.value}\n", "| Variable | Default | Description |", "|---|---|---|"]
    for kind in (Settings, ClientSettings):
        for name, description in descriptions(kind).items():
            if description.group is group:
                lines += rows(kind, name, description)
    text = "\n".join(lines) + "\n"
    return text + engines() if group is Group.ENGINE else text


def rows(kind: type[msgspec.Struct], name: str, description: Description) -> list[str]:
    """The table's row of one setting, and that of its file."""
    text = f"{description.text}{limits(kind, name)}"
    found = [f"| `{variable(name)}` | {default(kind, name, description)} | {text} |"]
    if description.has_file_variant:
        found.append(f"| `{variable(name)}_FILE` | | File that holds the value of `{variable(name)}`. |")
    return found


def default(kind: type[msgspec.Struct], name: str, description: Description) -> str:
    """The cell of the default."""
    value = default_value(kind, name)
    return description.default or (f"`{value}`" if value else "")


def limits(kind: type[msgspec.Struct], name: str) -> str:
    """The numbers that a setting may be, as a sentence with its unit; empty for other kinds of settings."""
    bounds = types.bounds(kind, name)
    if bounds is None:
        return ""
    least, most = bounds
    unit = UNITS.get(name[-2:], "")
    allowed = f"At least {least:,}" if most >= LIMIT_MAX else f"From {least:,} to {most:,}"
    return f" {allowed} {unit}".rstrip() + "."


def engines() -> str:
    """The names that EASEL_ENGINE may have."""
    listed = (f"| `{name}` | {entry.description} |" for name, entry in ENGINES.items())
    return "\n".join(["\n`EASEL_ENGINE` is one of:\n", "| Engine | What draws |", "|---|---|", *listed]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
