"""What a setting must be beyond its type, and the sentence for where it is not.

`name` is always the environment variable, for the sentence. Nothing is looked up or connected; a file is read once.
"""

import re
import ssl
from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from easel.domain.callback import Destinations, Network, allowed_host
from easel.domain.model_name import LENGTH_MAX, is_model_name
from easel.domain.name_server import name_server

AMOUNT_CREDITS_MAX: Final = 1_000_000
LORA_SCALE_MAX: Final = 10


class SettingsWrong(Exception):
    """A setting that cannot be used; the message names the variable and how to mend it."""


def http_url(name: str, url: str) -> None:
    """An address without query and without a slash at its end. Raises SettingsWrong."""
    if not _is_http(url) or url.endswith("/"):
        raise SettingsWrong(f"{name} must look like https://images.your-domain.com, without a slash at its end.")


def client_url(name: str, url: str) -> str:
    """The address of a service of ours, without what other clients' base URLs end in: `/`, `/v1`, `/openai/v1`.

    Raises SettingsWrong.
    """
    base = re.sub(r"(/openai)?(/v1)?$", "", url.rstrip("/")).rstrip("/")
    if not _is_http(base) or not _is_plain_address(base):
        raise SettingsWrong(f"{name} must look like http://127.0.0.1:8000.")
    return base


def server_url(name: str, url: str) -> None:
    """An address of a server of the operator's own. Raises SettingsWrong."""
    http_url(name, url)
    if not _is_plain_address(url):
        raise SettingsWrong(f"{name} must look like http://127.0.0.1:30000, without a query.")


def postgres_url(name: str, url: str) -> None:
    """The address of a database. Raises SettingsWrong."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"postgresql", "postgres"}:
        raise SettingsWrong(f"{name} must look like postgresql://user:password@host:5432/database.")


def header_value(name: str, text: str) -> None:
    """What can stand in a header. Raises SettingsWrong."""
    if not re.fullmatch(r"[!-~]{1,4096}", text):
        raise SettingsWrong(f"{name} must be printable ASCII without blanks, as it goes into a header.")


def networks(name: str, texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses or networks. Raises SettingsWrong."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError:
        raise SettingsWrong(
            f"{name} must be addresses or networks with commas between, such as 10.0.0.0/8,::1."
        ) from None


def origins(name: str, texts: Sequence[str]) -> None:
    """Origins of web pages, or all. Raises SettingsWrong."""
    for origin in texts:
        if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+", origin):
            raise SettingsWrong(
                f"{name} must be * or origins with commas between, such as https://app.your-domain.com."
            )


def destinations(allowed_hosts: Sequence[str], denied_networks: Sequence[str]) -> Destinations:
    """Where callbacks may go. Raises SettingsWrong."""
    try:
        allowed = frozenset(allowed_host(text) for text in allowed_hosts)
    except ValueError as error:
        raise SettingsWrong(f"EASEL_CALLBACK_ALLOW_HOSTS cannot be used: {error}.") from None
    denied = networks("EASEL_CALLBACK_DENY_NETWORKS", denied_networks)
    if any(network.version == 6 and network.network_address.ipv4_mapped is not None for network in denied):
        raise SettingsWrong("EASEL_CALLBACK_DENY_NETWORKS must name IPv4 networks as such, not as ::ffff:….")
    return Destinations(allowed, denied)


def certificates(name: str, file: Path | None) -> None:
    """A file of certificates. Raises SettingsWrong."""
    if file is None:
        return
    try:
        ssl.create_default_context(cafile=file)
    except OSError:  # ssl.SSLError is one
        raise SettingsWrong(f"{name} must name a readable file of PEM certificates.") from None


def name_servers(name: str, texts: Sequence[str]) -> None:
    """Addresses of name servers. Raises SettingsWrong."""
    for text in texts:
        try:
            name_server(text)
        except ValueError as error:
            raise SettingsWrong(f"{name} cannot be used: {error}.") from None


def amount(name: str, value: Decimal) -> None:
    """An amount of credits. Raises SettingsWrong."""
    try:
        is_exact = value.is_finite() and value == value.quantize(Decimal("0.000001"))
    except InvalidOperation:
        is_exact = False
    if not is_exact or not 0 <= value <= AMOUNT_CREDITS_MAX:
        raise SettingsWrong(f"{name} must be a number from 0 to {AMOUNT_CREDITS_MAX} with at most six decimals.")


def model_names(name: str, texts: Collection[str]) -> None:
    """Names of models. Raises SettingsWrong."""
    if not all(is_model_name(text) for text in texts):
        raise SettingsWrong(
            f"{name} must be comma-separated names of models, such as gpt-image-1, dall-e-3. A name has at most "
            f"{LENGTH_MAX} letters, digits, dots, hyphens, underscores and slashes, and begins with a letter or digit."
        )


def lora(name: str, text: str) -> tuple[Path, float]:
    """A file, and a scale that may follow it. Raises SettingsWrong."""
    path, is_lora, scale = text.rpartition(".safetensors")
    number = scale.removeprefix(":") if scale else "1"
    if not is_lora or not path or not re.fullmatch(r"(:-?[0-9]+(\.[0-9]+)?)?", scale):
        raise SettingsWrong(f"{name} must look like /models/style.safetensors or /models/style.safetensors:0.8.")
    if abs(float(number)) > LORA_SCALE_MAX:
        raise SettingsWrong(f"{name} must have a scale from -{LORA_SCALE_MAX} to {LORA_SCALE_MAX}.")
    return Path(f"{path}.safetensors").expanduser(), float(number)


def _is_http(url: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+(/[!-~]*)?", url) is not None


def _is_plain_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        return False
