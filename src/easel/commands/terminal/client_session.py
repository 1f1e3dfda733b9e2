"""What the commands that call a service over HTTP share: their options, their client, and the wording of refusals."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click

from easel.client.client import Client
from easel.client.failures import ClientError, Refused
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import setting_option
from easel.commands.terminal.visible_text import visible
from easel.settings import settings
from easel.settings.settings import ClientSettings

SETTING: Final = "EASEL_URL or --url"
_API_KEY: Final = re.compile(r"[!-~]{1,4096}")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def service_options(command: _Command) -> _Command:
    """The options `--url` and `--key`."""
    return setting_option("url", ClientSettings)(setting_option("api_key", ClientSettings, flag="--key")(command))


def service(url: str | None, api_key: str | None) -> tuple[str, str]:
    """The address of the service and the API key, from the options or the settings."""
    with explain_failures():
        config = settings.read_client(url=url, api_key=api_key)
    return config.url, _checked_key(config.api_key)


@contextmanager
def connected(url: str | None, api_key: str | None) -> Iterator[Client]:
    """A client of the service. Its errors end the command with a sentence."""
    address, key = service(url, api_key)
    try:
        with Client(address, key, setting=SETTING) as client:
            yield client
    except ClientError as error:
        raise click.ClickException(f"{sentence(error)}.") from None


def sentence(error: ClientError) -> str:
    """The message of an error, reworded if the API's own message would not help a user of the command."""
    if isinstance(error, Refused) and error.status == 401:
        return (
            "The service rejected this API key: it is unknown, expired or revoked. "
            "Use another one with EASEL_API_KEY or --key; `easel keys create` creates a key"
        )
    return visible(error)


def _checked_key(text: str | None) -> str:
    """The API key without surrounding whitespace. Raises UsageError if it cannot be one."""
    key = (text or "").strip()
    if not key:
        raise click.UsageError("No API key: set EASEL_API_KEY or use --key. `easel keys create` creates a key.")
    if not _API_KEY.fullmatch(key):
        raise click.UsageError(
            "This is not an API key of Easel. Keys look like sk-easel-… and contain only letters and digits."
        )
    return key
