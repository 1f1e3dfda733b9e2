"""Every setting, read once from the environment, and refused with a sentence when it is wrong.

Nothing else reads the environment. A setting `x` is the variable `EASEL_X`; an empty variable counts as unset.
`EASEL_SECRET_FILE` may name a file instead of `EASEL_SECRET` holding the secret itself, and so may
`EASEL_REMOTE_API_KEY_FILE` and `EASEL_MODERATION_API_KEY_FILE`.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from easel.domain.callback import Destinations, Network
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.settings import addresses as setting_addresses
from easel.settings import checks as setting_checks
from easel.settings import files as setting_files
from easel.settings import names as setting_names
from easel.settings import types as setting_types
from easel.settings.names import option
from easel.settings.names import variable as variable
from easel.settings.types import SettingsWrong as SettingsWrong

HUB_MODEL: Final = "Tongyi-MAI/Z-Image-Turbo"
DEFAULT_MODEL_ALIASES: Final = (
    "gpt-image-1, gpt-image-1-mini, gpt-image-1.5, gpt-image-2, chatgpt-image-latest, dall-e-2, dall-e-3, "
    "Tongyi-MAI/Z-Image-Turbo"
)
"""The names that clients send when nobody can choose, and the name of the model's weights."""
LIMIT_MAX: Final = 1_000_000_000
RETENTION_H_MAX: Final = 876_000
LINK_LIFETIME_H: Final = 24
_ADDRESSES: Final = {
    "public_url": "https://images.your-domain.com",
    "remote_url": "http://127.0.0.1:30000",
    "moderation_url": "https://api.openai.com/v1",
}
"""The settings that hold an address of HTTP, each with one that it may look like."""
_Kind = TypeVar("_Kind", bound=msgspec.Struct)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes need to know. Units are last in names."""

    host: str = "127.0.0.1"
    """Address that the web process listens on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """Port that the web process listens on; 0 takes a free one."""
    data_dir: Path
    """Folder of the private database, the pictures and the secret."""
    database_url: str | None = None
    """A PostgreSQL server of your own; without it Easel runs a private one in the data folder."""
    postgres_bin: Path | None = None
    """Folder of PostgreSQL's programs for the private database, in place of those that come with Easel."""
    postgres_user: str | None = None
    """System user that runs the private database when Easel is started by root."""
    database_connections: Annotated[int, Meta(ge=2, le=100)] = 8
    """Most connections to the database that one process opens; a web process adds one that listens, a worker two."""
    storage_url: str | None = None
    """Where pictures are kept: a folder, or s3://, gs:// or az://; by default `pictures` in the data folder."""
    public_url: str | None = None
    """Base of the links in answers, such as https://images.your-domain.com; by default the address a client used."""
    secret: Secret | None = None
    """The installation's secret, the same for all its processes; made in the data folder with the private database."""
    engine: str = "nano"
    """What draws: `nano` (the small built-in model, on any CPU), `zimage` (Z-Image-Turbo on CUDA, MPS or CPU), `remote`
    (an image server with OpenAI's API) or `blank` (plain colour, for benchmarks)."""
    model: str = HUB_MODEL
    """Weights of the zimage engine: a folder, or a name on the Hugging Face hub, fetched on first use."""
    lora: str | None = None
    """A LoRA that the zimage engine adds to its weights: a .safetensors file, and after a colon how much of it."""
    gpu_memory: Literal["auto", "low"] = "auto"
    """Whether the zimage engine's text encoder is kept on the GPU: where it fits (`auto`), or not (`low`)."""
    remote_url: str | None = None
    """Address of the remote engine's image server, such as http://127.0.0.1:30000, with or without /v1 at its end."""
    remote_api_key: str | None = None
    """Key that the image server asks for."""
    remote_model: Annotated[str, Meta(min_length=1, max_length=500)] = "Tongyi-MAI/Z-Image-Turbo"
    """Name under which the image server knows the model."""
    remote_steps: Annotated[int, Meta(ge=0, le=200)] = 9
    """Denoising steps to ask the image server for, without guidance; 0 leaves both to it."""
    remote_timeout_s: Annotated[int, Meta(ge=1, le=3600)] = 300
    """Longest that the image server may take for one attempt at a picture."""
    remote_draws_at_once: Annotated[int, Meta(ge=1, le=64)] = 4
    """How many pictures a worker asks the image server for at the same time."""
    workers: Annotated[int, Meta(ge=1, le=64)] | None = None
    """Worker processes that `easel serve` starts; by default one for each device."""
    device: Annotated[str, Meta(pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")] = "auto"
    """Device that a worker draws on: `auto`, `cuda:0`, `mps`, `cpu`."""
    model_aliases: str = DEFAULT_MODEL_ALIASES
    """Comma-separated names that OpenAI's clients may use for z-image-turbo; set to z-image-turbo, it allows no others."""
    price_credits: Decimal = Decimal("0.026")
    """Credits that one picture costs."""
    first_credits: Decimal = Decimal(100)
    """Credits that the first account is given."""
    creates_per_minute: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 600
    """How many tasks a key may create per minute, in all web processes together, unless the key says otherwise."""
    unfinished_max: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 1000
    """How many unfinished tasks a key may have, unless the key says otherwise."""
    reads_per_minute: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 6000
    """How many other requests a key may make per minute, at each web process."""
    auth_failures_per_minute: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 60
    """How often a client's address may fail to show a good key per minute, at each web process."""
    connections_per_address: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 1024
    """How many connections a client's address may have open, at each web process; trusted proxies have no limit."""
    streams_per_address: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 1000
    """How many event streams and waiting requests a client's address may have open, at each web process."""
    streams_per_key: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 1000
    """How many event streams and waiting requests a key may have open, at each web process."""
    backlog_max: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 100_000
    """How many unfinished tasks the whole service takes on before it answers 503."""
    queue_timeout_s: Annotated[int, Meta(ge=1, le=2_592_000)] = 86_400
    """Longest that a task may wait to be drawn; then it fails, refunded."""
    draw_timeout_s: Annotated[int, Meta(ge=1, le=86_400)] = 3600
    """Longest that a drawing may take; then it is stopped after its step, and the task fails, refunded."""
    picture_retention_h: Annotated[int, Meta(ge=0, le=RETENTION_H_MAX)] = 168
    """Hours that pictures are kept, at least the 24 that a link lives; 0 keeps them for ever."""
    prompt_retention_h: Annotated[int, Meta(ge=0, le=RETENTION_H_MAX)] = 720
    """Hours that prompts of finished tasks are kept; 0 keeps them for ever."""
    idempotency_retention_h: Annotated[int, Meta(ge=1, le=RETENTION_H_MAX)] = 24
    """Hours that an Idempotency-Key is remembered."""
    trusted_proxies: str | None = None
    """Addresses or networks, with commas, of proxies whose X-Forwarded-For and -Proto are believed; by default none."""
    cors_origins: str | None = None
    """Origins, with commas, of web pages that may call the API from a browser, or `*`; by default none."""
    callback_allow_hosts: str | None = None
    """Hosts of your own network that callbacks may go to, with commas, such as hooks.corp.internal:8443; by default none."""
    callback_deny_networks: str | None = None
    """Public addresses or networks, with commas, that callbacks may not go to, such as this service's own."""
    callback_ca_file: Path | None = None
    """Certificates (PEM) of authorities that callbacks trust besides the system's."""
    callback_nameservers: str | None = None
    """Name servers, with commas, that are asked for callbacks' hosts, such as 9.9.9.9; by default the system's."""
    moderation_block: Literal["task", "http"] = "task"
    """How a prompt that moderation refuses is answered: by a `task` that failed, or with an error (`http`, status 400)."""
    moderation_url: str | None = None
    """Address of a server with OpenAI's POST /v1/moderations that judges prompts and pictures as well; by default none."""
    moderation_api_key: str | None = None
    """Key that the moderation server asks for."""
    moderation_model: Annotated[str, Meta(min_length=1, max_length=500)] = "omni-moderation-latest"
    """Name under which the moderation server knows its model."""
    moderation_unanswered: Literal["refuse", "draw"] = "refuse"
    """What to do while the moderation server cannot judge, with orders that have no `nsfw_check` and touch no red line."""
    moderation_classifier: Path | None = None
    """Folder of a picture classifier in Hugging Face's image-classification format; by default none."""
    moderation_plugins: str | None = None
    """Names, with commas, of installed plug-ins (entry points in the group easel.moderation) that judge as well."""
    moderation_retention_h: Annotated[int, Meta(ge=0, le=RETENTION_H_MAX)] = 2160
    """Hours that moderation's decisions are kept; 0 keeps them for ever."""
    provenance: bool = True
    """Whether pictures carry their prompt, seed and model in their metadata; the mark "made by AI" always stays."""
    step_timeout_s: Annotated[int, Meta(ge=1, le=86_400)] = 900
    """Longest that one denoising step may take before the worker is taken for hung and restarted."""
    drain_timeout_s: Annotated[int, Meta(ge=0, le=86_400)] = 30
    """How long a stopping process lets what it is doing finish."""
    blank_step_s: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds that each step of the blank engine takes, to try a slow engine without one."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """`json`, `text`, or `auto`: text on a terminal, JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe event that is logged."""

    def __repr__(self) -> str:
        """No values: the database's URL may hold a password."""
        return "<Settings>"

    @property
    def price_microcredits(self) -> int:
        """The price of a picture in micro-credits."""
        return int(self.price_credits * MICROCREDITS_PER_CREDIT)

    @property
    def first_microcredits(self) -> int:
        """What the first account is given, in micro-credits."""
        return int(self.first_credits * MICROCREDITS_PER_CREDIT)

    @property
    def trusted_proxy_list(self) -> list[str]:
        """The proxies that are believed."""
        return _listed(self.trusted_proxies)

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The same as networks. Raises SettingsWrong."""
        return setting_checks.networks("EASEL_TRUSTED_PROXIES", self.trusted_proxy_list)

    @property
    def cors_origin_list(self) -> list[str]:
        """The origins whose pages may call the API."""
        return _listed(self.cors_origins)

    @property
    def model_alias_set(self) -> frozenset[str]:
        """The names that OpenAI's clients may use for the model, beside its own."""
        return frozenset(_listed(self.model_aliases))

    @property
    def callback_destinations(self) -> Destinations:
        """Where callbacks may go. Raises SettingsWrong."""
        return setting_checks.destinations(_listed(self.callback_allow_hosts), _listed(self.callback_deny_networks))

    @property
    def callback_nameserver_list(self) -> list[str]:
        """The name servers that are asked for callbacks' hosts; none for the system's."""
        return _listed(self.callback_nameservers)

    @property
    def moderation_plugin_list(self) -> list[str]:
        """The plug-ins that judge prompts and pictures."""
        return _listed(self.moderation_plugins)

    @property
    def lora_file_and_scale(self) -> tuple[Path, float] | None:
        """The LoRA, and how much of it to add. Raises SettingsWrong."""
        return None if self.lora is None else setting_checks.lora("EASEL_LORA", self.lora)

    @property
    def compiled_folder(self) -> Path:
        """Where what is compiled for a GPU is kept for the next start."""
        return self.data_dir / "compiled"

    @property
    def pictures_url(self) -> str:
        """Where pictures are kept."""
        return self.storage_url or str(self.data_dir / "pictures")


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `easel generate` needs to know."""

    url: str = "http://127.0.0.1:8000"
    """Address of the service that `easel generate` asks. A slash or /v1 at its end is dropped."""
    api_key: str | None = None
    """Key that `easel generate` presents."""

    def __repr__(self) -> str:
        """No values: one of them is a key."""
        return "<ClientSettings>"


def read(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """The settings of the service; `overrides` (from the command line) win over the environment, unless None.

    Which engines there are, and what they need, is not checked here: see `assembly/configuration.py`. Raises
    SettingsWrong.
    """
    environ = os.environ if environ is None else environ
    called, values = _given(Settings, environ, overrides)
    values.pop("secret", None)
    if "data_dir" not in values:
        values["data_dir"] = setting_files.default_data_dir(environ)
    settings = _expanded(_convert(Settings, values, called), called)
    settings = msgspec.structs.replace(
        settings,
        secret=_secret(environ),
        remote_api_key=setting_files.given_or_in_file(environ, "EASEL_REMOTE_API_KEY"),
        moderation_api_key=setting_files.given_or_in_file(environ, "EASEL_MODERATION_API_KEY"),
        data_dir=settings.data_dir.absolute(),
        engine=settings.engine.lower(),
    )
    setting_addresses.listening_host(called["host"], settings.host)
    return _checked(settings)


def read_client(environ: Mapping[str, str] | None = None, **overrides: object) -> ClientSettings:
    """The settings of the client. Raises SettingsWrong."""
    called, values = _given(ClientSettings, os.environ if environ is None else environ, overrides)
    settings = _convert(ClientSettings, values, called)
    return msgspec.structs.replace(settings, url=setting_addresses.client_url(called["url"], settings.url))


def default(name: str) -> object:
    """The value that a setting of the service has where it is not given."""
    return next(field.default for field in msgspec.structs.fields(Settings) if field.name == name)


def misspelt(environ: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each variable that looks like a setting and is none, so that a typo does not go unseen."""
    environ = os.environ if environ is None else environ
    fields = (*Settings.__struct_fields__, *ClientSettings.__struct_fields__)
    in_files = {"EASEL_SECRET_FILE", "EASEL_REMOTE_API_KEY_FILE", "EASEL_MODERATION_API_KEY_FILE"}
    return setting_names.misspelt(environ, {variable(name) for name in fields} | in_files)


def _expanded(settings: Settings, called: Mapping[str, str]) -> Settings:
    """The settings with a home in place of every `~`."""
    changes: dict[str, object] = {"model": setting_files.expanded_text("EASEL_MODEL", settings.model)}
    if settings.storage_url is not None:
        changes["storage_url"] = setting_files.expanded_text("EASEL_STORAGE_URL", settings.storage_url)
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, Path):
            changes[name] = setting_files.expanded(called[name], value)
    return msgspec.structs.replace(settings, **changes)


def _checked(settings: Settings) -> Settings:
    """What types cannot say; addresses come out with their schemes in lower case. Raises SettingsWrong."""
    addresses = {}
    for name, example in _ADDRESSES.items():
        address = getattr(settings, name)
        if address is not None:
            addresses[name] = setting_addresses.http_url(variable(name), address, example)
    if settings.database_url is not None:
        setting_addresses.postgres_url("EASEL_DATABASE_URL", settings.database_url)
    _ = settings.lora_file_and_scale
    if settings.remote_api_key is not None:
        setting_checks.header_value("EASEL_REMOTE_API_KEY", settings.remote_api_key)
    if settings.moderation_api_key is not None:
        setting_checks.header_value("EASEL_MODERATION_API_KEY", settings.moderation_api_key)
    if 0 < settings.picture_retention_h < LINK_LIFETIME_H:
        raise SettingsWrong(
            f"EASEL_PICTURE_RETENTION_H must be 0 (for ever) or at least {LINK_LIFETIME_H}, which is how long links live."
        )
    _ = settings.trusted_networks
    setting_checks.origins("EASEL_CORS_ORIGINS", settings.cors_origin_list)
    _ = settings.callback_destinations
    setting_checks.certificates("EASEL_CALLBACK_CA_FILE", settings.callback_ca_file)
    setting_checks.name_servers("EASEL_CALLBACK_NAMESERVERS", settings.callback_nameserver_list)
    setting_checks.model_names("EASEL_MODEL_ALIASES", settings.model_alias_set)
    setting_checks.amount("EASEL_PRICE_CREDITS", settings.price_credits)
    setting_checks.amount("EASEL_FIRST_CREDITS", settings.first_credits)
    return msgspec.structs.replace(settings, **addresses)


def _given(
    kind: type[msgspec.Struct], environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, str], dict[str, object]]:
    """What each setting was written as, for sentences, and what was given."""
    called = {name: variable(name) for name in kind.__struct_fields__}
    values: dict[str, object] = {}
    for name, written in called.items():
        text = environ.get(written, "").strip()
        if "\0" in text:
            raise SettingsWrong(f"{written} holds a NUL character, which no setting can hold.")
        if text:
            values[name] = text
    chosen = {name: value for name, value in overrides.items() if value is not None}
    return called | {name: option(name) for name in chosen}, values | chosen


def _convert(kind: type[_Kind], values: dict[str, object], called: Mapping[str, str]) -> _Kind:
    try:
        return msgspec.convert(setting_types.folded(kind, values), kind, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        name = str(error).partition(" - at `$.")[2].rstrip("`")
        raise SettingsWrong(f"{called[name]} must be {setting_types.admitted(kind, name)}.") from None


def _decode_path(kind: type, value: object) -> Path:
    assert kind is Path
    return Path(str(value))


def _secret(environ: Mapping[str, str]) -> Secret | None:
    text = setting_files.given_or_in_file(environ, "EASEL_SECRET")
    if text is None:
        return None
    is_in_file = not environ.get("EASEL_SECRET", "").strip()
    source = "The secret in the file that EASEL_SECRET_FILE names" if is_in_file else "EASEL_SECRET"
    if len(text) < SECRET_CHARACTERS_MIN:
        raise SettingsWrong(
            f"{'EASEL_SECRET_FILE holds a secret that' if is_in_file else 'EASEL_SECRET'} is shorter than "
            f"{SECRET_CHARACTERS_MIN} characters: make one with `openssl rand -hex 32`."
        )
    return Secret(text, source=source)


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
