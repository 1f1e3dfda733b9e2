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

from easel.domain.callback import Destinations, Network, allowed_host
from easel.domain.model_name import LENGTH_MAX, is_model_name
from easel.domain.name_server import name_server
from easel.settings.files import expanded
from easel.settings.types import SettingsWrong

AMOUNT_CREDITS_MAX: Final = 1_000_000
LORA_SCALE_MAX: Final = 10
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+")


def header_value(name: str, text: str) -> None:
    """What can stand in a header. Raises SettingsWrong."""
    if not re.fullmatch(r"[!-~]{1,4096}", text):
        raise SettingsWrong(f"{name} must be printable ASCII without blanks, as it goes into a header.")


def networks(name: str, texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses or networks. Raises SettingsWrong."""
    wanted = f"{name} must be addresses or networks with commas between, such as 10.0.0.0/8,::1"
    for text in texts:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise SettingsWrong(f"{wanted}.") from None
        if not _is_network(text):
            raise SettingsWrong(f"{wanted}: the network of {text} is written {network}.")
    return tuple(ip_network(text) for text in texts)


def origins(name: str, texts: Sequence[str]) -> None:
    """Origins of web pages, or all. Raises SettingsWrong."""
    for origin in texts:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            without = ", without a slash at its end" if _ORIGIN.fullmatch(origin.removesuffix("/")) else ""
            raise SettingsWrong(
                f"{name} must be * or origins with commas between, such as https://app.your-domain.com{without}."
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
    except (OSError, ValueError):  # ssl.SSLError is the first, a NUL in the path the second
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
    return expanded(name, Path(f"{path}.safetensors")), float(number)


def _is_network(text: str) -> bool:
    """Whether no bits are set beyond the network's."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
