"""The service that a client talks to and the key that it presents: the caller's, or those of the settings."""

from typing import Final

from easel.client.failures import ClientError
from easel.settings import addresses, settings
from easel.settings.types import SettingsWrong

SETTING: Final = "EASEL_URL or the url of the client"


def url_of(url: str | None) -> str:
    """The base address of the service. Raises ClientError."""
    try:
        return settings.read_client().url if url is None else addresses.client_url("url", url)
    except SettingsWrong as error:
        raise ClientError(str(error).rstrip(".")) from None


def key_of(api_key: str | None) -> str:
    """The API key. Raises ClientError if there is none, or if it cannot be sent."""
    try:
        key = (settings.read_client().api_key or "") if api_key is None else api_key
    except SettingsWrong as error:
        raise ClientError(str(error).rstrip(".")) from None
    key = key.strip()
    if not key:
        raise ClientError("There is no API key: set EASEL_API_KEY, or pass api_key")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ClientError("The API key cannot be sent: it contains characters that no key of Easel has")
    return key
