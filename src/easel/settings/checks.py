"""Checks what the type of a setting cannot express, and explains what is wrong.

`name` is always the environment variable. Nothing is resolved or connected. A file is read once.
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
    """Check that a text can be sent in an HTTP header. Raises SettingsWrong."""
    if not re.fullmatch(r"[!-~]{1,4096}", text):
        raise SettingsWrong(f"{name} must be printable ASCII without spaces, because it is sent in an HTTP header.")


def networks(name: str, texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks that these texts name. Raises SettingsWrong."""
    wanted = f"{name} must be comma-separated addresses or networks, such as 10.0.0.0/8,::1"
    for text in texts:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise SettingsWrong(f"{wanted}.") from None
        if not _is_network(text):
            raise SettingsWrong(f"{wanted}: write {network} instead of {text}.")
    return tuple(ip_network(text) for text in texts)


def origins(name: str, texts: Sequence[str]) -> None:
    """Check origins of web pages; `*` means all. Raises SettingsWrong."""
    for origin in texts:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            without = ", without a slash at the end" if _ORIGIN.fullmatch(origin.removesuffix("/")) else ""
            raise SettingsWrong(
                f"{name} must be * or comma-separated origins, such as https://app.your-domain.com{without}."
            )


def destinations(allowed_hosts: Sequence[str], denied_networks: Sequence[str]) -> Destinations:
    """The destinations that callbacks may go to. Raises SettingsWrong."""
    try:
        allowed = frozenset(allowed_host(text) for text in allowed_hosts)
    except ValueError as error:
        raise SettingsWrong(f"EASEL_CALLBACK_ALLOW_HOSTS cannot be used: {error}.") from None
    denied = networks("EASEL_CALLBACK_DENY_NETWORKS", denied_networks)
    if any(network.version == 6 and network.network_address.ipv4_mapped is not None for network in denied):
        raise SettingsWrong(
            "EASEL_CALLBACK_DENY_NETWORKS must contain IPv4 networks in IPv4 notation, not as ::ffff:…."
        )
    return Destinations(allowed, denied)


def certificates(name: str, file: Path | None) -> None:
    """Check a file of certificates. Raises SettingsWrong."""
    if file is None:
        return
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ValueError):  # ssl.SSLError is the first, a NUL in the path the second
        raise SettingsWrong(f"{name} must name a readable file with PEM certificates.") from None


def name_servers(name: str, texts: Sequence[str]) -> None:
    """Check addresses of name servers. Raises SettingsWrong."""
    for text in texts:
        try:
            name_server(text)
        except ValueError as error:
            raise SettingsWrong(f"{name} cannot be used: {error}.") from None


def amount(name: str, value: Decimal) -> None:
    """Check an amount of credits. Raises SettingsWrong."""
    try:
        is_exact = value.is_finite() and value == value.quantize(Decimal("0.000001"))
    except InvalidOperation:
        is_exact = False
    if not is_exact or not 0 <= value <= AMOUNT_CREDITS_MAX:
        raise SettingsWrong(f"{name} must be a number from 0 to {AMOUNT_CREDITS_MAX} with at most six decimal places.")


def model_names(name: str, texts: Collection[str]) -> None:
    """Check model names. Raises SettingsWrong."""
    if not all(is_model_name(text) for text in texts):
        raise SettingsWrong(
            f"{name} must be comma-separated model names, such as gpt-image-1, dall-e-3. A name has at most "
            f"{LENGTH_MAX} letters, digits, dots, hyphens, underscores and slashes, and begins with a letter or digit."
        )


def lora(name: str, text: str) -> tuple[Path, float]:
    """A LoRA file and its scale, which may follow a colon and is 1 by default. Raises SettingsWrong."""
    path, is_lora, scale = text.rpartition(".safetensors")
    number = scale.removeprefix(":") if scale else "1"
    if not is_lora or not path or not re.fullmatch(r"(:-?[0-9]+(\.[0-9]+)?)?", scale):
        raise SettingsWrong(f"{name} must look like /models/style.safetensors or /models/style.safetensors:0.8.")
    if abs(float(number)) > LORA_SCALE_MAX:
        raise SettingsWrong(f"{name} must have a scale from -{LORA_SCALE_MAX} to {LORA_SCALE_MAX}.")
    return expanded(name, Path(f"{path}.safetensors")), float(number)


def _is_network(text: str) -> bool:
    """Whether no host bits are set."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
