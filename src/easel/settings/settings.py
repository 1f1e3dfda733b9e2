"""Reads the settings from the environment and the settings file once and checks them. `fields/` declares them.

The setting `x` is the variable `EASEL_X`. An empty variable counts as unset. No other module reads settings from the
environment.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from easel.domain.callback import Destinations, Network
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.settings import addresses, checks, config_file, files, names, types
from easel.settings.description import descriptions
from easel.settings.fields.client import ClientSettings as ClientSettings
from easel.settings.fields.usage import UsageFields
from easel.settings.names import option
from easel.settings.names import variable as variable
from easel.settings.types import SettingsWrong as SettingsWrong

LINK_LIFETIME_H: Final = 24
REMOTE_EXAMPLE: Final = "http://127.0.0.1:30000"
REMOTE_SERVERS_MAX: Final = 16
_ADDRESSES: Final = {
    "public_url": "https://images.your-domain.com",
    "moderation_url": "https://api.openai.com/v1",
}
"""The settings that hold an HTTP address, each with an example."""
_Kind = TypeVar("_Kind", bound=msgspec.Struct)


class Settings(UsageFields, frozen=True, kw_only=True):
    """The settings of the service, and values derived from them."""

    def __repr__(self) -> str:
        """Hides the values: the URL of the database may contain a password."""
        return "<Settings>"

    @property
    def price_microcredits(self) -> int:
        """The price of a picture in micro-credits."""
        return int(self.price_credits * MICROCREDITS_PER_CREDIT)

    @property
    def first_microcredits(self) -> int:
        """The credits that the first account starts with, in micro-credits."""
        return int(self.first_credits * MICROCREDITS_PER_CREDIT)

    @property
    def trusted_proxy_list(self) -> list[str]:
        """The trusted proxies."""
        return _listed(self.trusted_proxies)

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The trusted proxies as networks. Raises SettingsWrong."""
        return checks.networks("EASEL_TRUSTED_PROXIES", self.trusted_proxy_list)

    @property
    def cors_origin_list(self) -> list[str]:
        """The origins whose pages may call the API."""
        return _listed(self.cors_origins)

    @property
    def model_alias_set(self) -> frozenset[str]:
        """The names that OpenAI's clients may use for the model in addition to its own."""
        return frozenset(_listed(self.model_aliases))

    @property
    def callback_destinations(self) -> Destinations:
        """The destinations that callbacks may go to. Raises SettingsWrong."""
        return checks.destinations(_listed(self.callback_allow_hosts), _listed(self.callback_deny_networks))

    @property
    def callback_nameserver_list(self) -> list[str]:
        """The name servers that resolve the hosts of callbacks; empty for the system's."""
        return _listed(self.callback_nameservers)

    @property
    def moderation_plugin_list(self) -> list[str]:
        """The moderation plug-ins."""
        return _listed(self.moderation_plugins)

    @property
    def lora_file_and_scale(self) -> tuple[Path, float] | None:
        """The LoRA file and its scale. Raises SettingsWrong."""
        return None if self.lora is None else checks.lora("EASEL_LORA", self.lora)

    @property
    def remote_urls(self) -> tuple[str, ...]:
        """The addresses of the image servers. Raises SettingsWrong."""
        if self.remote_url is None:
            return ()
        return addresses.http_urls("EASEL_REMOTE_URL", self.remote_url, REMOTE_EXAMPLE, REMOTE_SERVERS_MAX)

    @property
    def compiled_folder(self) -> Path:
        """The folder that keeps compiled GPU code for the next start."""
        return self.data_dir / "compiled"

    @property
    def lora_folder(self) -> Path:
        """The folder for a LoRA as stable-diffusion.cpp reads it, while a worker uses it."""
        return self.data_dir / "loras"

    @property
    def pictures_url(self) -> str:
        """The folder or bucket for pictures."""
        return self.storage_url or str(self.data_dir / "pictures")


def read(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """The settings of the service. `overrides` come from the command line and take precedence unless None.

    This does not check the engine's name and its required settings; `assembly/configuration.py` does. Raises
    SettingsWrong.
    """
    environ = os.environ if environ is None else environ
    with named_file(environ):
        return _read(with_file(environ), overrides)


def _read(environ: Mapping[str, str], overrides: Mapping[str, object]) -> Settings:
    called, values = _given(Settings, environ, overrides)
    values.pop("secret", None)
    if "data_dir" not in values:
        values["data_dir"] = files.default_data_dir(environ)
    settings = _expanded(_convert(Settings, values, called), called)
    settings = msgspec.structs.replace(
        settings,
        secret=_secret(environ),
        remote_api_key=files.given_or_in_file(environ, "EASEL_REMOTE_API_KEY"),
        moderation_api_key=files.given_or_in_file(environ, "EASEL_MODERATION_API_KEY"),
        data_dir=settings.data_dir.absolute(),
        engine=settings.engine.lower(),
    )
    addresses.listening_host(called["host"], settings.host)
    addresses.listening_host(called["metrics_host"], settings.metrics_host)
    return _checked(settings)


def read_client(environ: Mapping[str, str] | None = None, **overrides: object) -> ClientSettings:
    """The settings of the client. Raises SettingsWrong."""
    environ = os.environ if environ is None else environ
    with named_file(environ):
        called, values = _given(ClientSettings, with_file(environ), overrides)
        settings = _convert(ClientSettings, values, called)
        return msgspec.structs.replace(settings, url=addresses.client_url(called["url"], settings.url))


def default(name: str) -> object:
    """The default of a setting of the service."""
    return next(field.default for field in msgspec.structs.fields(Settings) if field.name == name)


def with_file(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, completed by the settings file. Raises SettingsWrong."""
    environ = os.environ if environ is None else environ
    return {**environ, **config_file.read(environ, known_variables())}


def named_file(environ: Mapping[str, str] | None = None) -> AbstractContextManager[None]:
    """A block in which a SettingsWrong names the settings file if the file sets what is wrong."""
    return config_file.named(os.environ if environ is None else environ, known_variables())


def known_variables() -> set[str]:
    """The variables of all settings."""
    return variables(Settings) | variables(ClientSettings)


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each variable that looks like a setting but is not one, so that no typo goes unnoticed."""
    return names.unknown(os.environ if environ is None else environ, known_variables())


def variables(kind: type[msgspec.Struct]) -> set[str]:
    """The environment variables of these settings, with those that name a file."""
    described = descriptions(kind)
    in_files = {f"{variable(name)}_FILE" for name, each in described.items() if each.has_file_variant}
    return {variable(name) for name in described} | in_files


def _expanded(settings: Settings, called: Mapping[str, str]) -> Settings:
    """The settings with every `~` expanded."""
    changes: dict[str, object] = {"model": files.expanded_text("EASEL_MODEL", settings.model)}
    if settings.storage_url is not None:
        changes["storage_url"] = files.expanded_text("EASEL_STORAGE_URL", settings.storage_url)
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, Path):
            changes[name] = files.expanded(called[name], value)
    return msgspec.structs.replace(settings, **changes)


def _checked(settings: Settings) -> Settings:
    """Check what types cannot express, and put the schemes of addresses in lower case. Raises SettingsWrong."""
    urls = {}
    for name, example in _ADDRESSES.items():
        address = getattr(settings, name)
        if address is not None:
            urls[name] = addresses.http_url(variable(name), address, example)
    if settings.database_url is not None:
        addresses.postgres_url("EASEL_DATABASE_URL", settings.database_url)
    _check_pooler(settings)
    _ = settings.lora_file_and_scale
    _ = settings.remote_urls
    if settings.remote_api_key is not None:
        checks.header_value("EASEL_REMOTE_API_KEY", settings.remote_api_key)
    if settings.moderation_api_key is not None:
        checks.header_value("EASEL_MODERATION_API_KEY", settings.moderation_api_key)
    if 0 < settings.picture_retention_h < LINK_LIFETIME_H:
        raise SettingsWrong(
            f"EASEL_PICTURE_RETENTION_H must be 0 (forever) or at least {LINK_LIFETIME_H}, the lifetime of a link in hours."
        )
    _ = settings.trusted_networks
    checks.origins("EASEL_CORS_ORIGINS", settings.cors_origin_list)
    _ = settings.callback_destinations
    checks.certificates("EASEL_CALLBACK_CA_FILE", settings.callback_ca_file)
    checks.name_servers("EASEL_CALLBACK_NAMESERVERS", settings.callback_nameserver_list)
    checks.model_names("EASEL_MODEL_ALIASES", settings.model_alias_set)
    checks.amount("EASEL_PRICE_CREDITS", settings.price_credits)
    checks.amount("EASEL_FIRST_CREDITS", settings.first_credits)
    return msgspec.structs.replace(settings, **urls)


def _check_pooler(settings: Settings) -> None:
    if settings.database_pooler != "none" and settings.database_url is None:
        raise SettingsWrong(
            "EASEL_DATABASE_POOLER is set, but the private database has no pooler: set EASEL_DATABASE_URL to the pooler."
        )
    if settings.database_direct_url is not None:
        if settings.database_pooler == "none":
            raise SettingsWrong(
                "EASEL_DATABASE_DIRECT_URL is set without a pooler: set EASEL_DATABASE_POOLER=transaction if "
                "EASEL_DATABASE_URL leads to one, or unset EASEL_DATABASE_DIRECT_URL."
            )
        addresses.postgres_url("EASEL_DATABASE_DIRECT_URL", settings.database_direct_url)


def _given(
    kind: type[msgspec.Struct], environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, str], dict[str, object]]:
    """The name that the operator used for each setting, for error messages, and the values that were given."""
    called = {name: variable(name) for name in kind.__struct_fields__}
    values: dict[str, object] = {}
    for name, written in called.items():
        text = environ.get(written, "").strip()
        if "\0" in text:
            raise SettingsWrong(f"{written} contains a NUL character, which no setting may contain.")
        if text:
            values[name] = text
    chosen = {name: value for name, value in overrides.items() if value is not None}
    return called | {name: option(name) for name in chosen}, values | chosen


def _convert(kind: type[_Kind], values: dict[str, object], called: Mapping[str, str]) -> _Kind:
    try:
        return msgspec.convert(types.folded(kind, values), kind, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        name = str(error).partition(" - at `$.")[2].rstrip("`")
        raise SettingsWrong(f"{called[name]} must be {types.admitted(kind, name)}.") from None


def _decode_path(kind: type, value: object) -> Path:
    assert kind is Path
    return Path(str(value))


def _secret(environ: Mapping[str, str]) -> Secret | None:
    text = files.given_or_in_file(environ, "EASEL_SECRET")
    if text is None:
        return None
    is_in_file = not environ.get("EASEL_SECRET", "").strip()
    source = "The secret in the file that EASEL_SECRET_FILE names" if is_in_file else "EASEL_SECRET"
    if len(text) < SECRET_CHARACTERS_MIN:
        raise SettingsWrong(
            f"{'EASEL_SECRET_FILE contains a secret that' if is_in_file else 'EASEL_SECRET'} is shorter than "
            f"{SECRET_CHARACTERS_MIN} characters: generate one with `openssl rand -hex 32`."
        )
    return Secret(text, source=source)


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
