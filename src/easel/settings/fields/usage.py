"""Settings that limit users, keep or delete their data, and govern callbacks and moderation."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta

from easel.settings.description import Description, Group
from easel.settings.fields.drawing import DrawingFields

DEFAULT_MODEL_ALIASES: Final = (
    "gpt-image-1, gpt-image-1-mini, gpt-image-1.5, gpt-image-2, chatgpt-image-latest, dall-e-2, dall-e-3, "
    "Tongyi-MAI/Z-Image-Turbo"
)
"""Names that some clients always send, because their users cannot choose a model, and the name of the weights."""
LIMIT_MAX: Final = 1_000_000_000
RETENTION_H_MAX: Final = 876_000


class UsageFields(DrawingFields, frozen=True, kw_only=True):
    """Prices, limits, retention, callbacks and moderation."""

    model_aliases: Annotated[
        str,
        Description(
            Group.NETWORK,
            "Comma-separated model names that OpenAI's clients may use for `z-image-turbo`. Set it to "
            "`z-image-turbo` to allow no other names.",
        ),
    ] = DEFAULT_MODEL_ALIASES
    price_credits: Annotated[
        Decimal,
        Description(Group.ACCOUNTS, "Price of one picture in credits, with at most six decimal places."),
    ] = Decimal("0.026")
    first_credits: Annotated[
        Decimal,
        Description(Group.ACCOUNTS, "Credits that the first account starts with."),
    ] = Decimal(100)
    creates_per_minute: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(
            Group.ACCOUNTS,
            "Tasks that a key may create per minute, across all web processes. A key can have a limit of its own.",
        ),
    ] = 600
    unfinished_max: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(Group.ACCOUNTS, "Unfinished tasks that a key may have at once. A key can have a limit of its own."),
    ] = 1000
    reads_per_minute: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(
            Group.ACCOUNTS, "Other requests that a key may make per minute to the web processes of one machine."
        ),
    ] = 6000
    auth_failures_per_minute: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(
            Group.ACCOUNTS,
            "Requests without a valid key that a client address may make per minute to the web processes of one machine.",
        ),
    ] = 60
    connections_per_address: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(
            Group.ACCOUNTS,
            "Connections that a client address may have open to the web processes of one machine. Trusted proxies have "
            "no limit.",
        ),
    ] = 1024
    streams_per_address: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(
            Group.ACCOUNTS,
            "Event streams and waiting requests that a client address may have open at the web processes of one machine.",
        ),
    ] = 1000
    streams_per_key: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(
            Group.ACCOUNTS,
            "Event streams and waiting requests that a key may have open at the web processes of one machine.",
        ),
    ] = 1000
    backlog_max: Annotated[
        int,
        Meta(ge=1, le=LIMIT_MAX),
        Description(Group.ACCOUNTS, "Unfinished tasks that the service accepts in total before it answers 503."),
    ] = 100_000
    picture_retention_h: Annotated[
        int,
        Meta(ge=0, le=RETENTION_H_MAX),
        Description(
            Group.RETENTION,
            "How long pictures are kept. Use at least 24 hours, the lifetime of a link; 0 keeps pictures forever.",
        ),
    ] = 168
    prompt_retention_h: Annotated[
        int,
        Meta(ge=0, le=RETENTION_H_MAX),
        Description(Group.RETENTION, "How long prompts of finished tasks are kept. 0 keeps them forever."),
    ] = 720
    idempotency_retention_h: Annotated[
        int,
        Meta(ge=1, le=RETENTION_H_MAX),
        Description(Group.RETENTION, "How long an `Idempotency-Key` is remembered."),
    ] = 24
    moderation_retention_h: Annotated[
        int,
        Meta(ge=0, le=RETENTION_H_MAX),
        Description(Group.RETENTION, "How long the decisions of moderation are kept. 0 keeps them forever."),
    ] = 2160
    callback_allow_hosts: Annotated[
        str | None,
        Description(
            Group.CALLBACKS,
            "Comma-separated hosts of your own network that callbacks may go to, such as "
            "`hooks.corp.internal:8443`. All other callbacks go to public addresses only.",
        ),
    ] = None
    callback_deny_networks: Annotated[
        str | None,
        Description(
            Group.CALLBACKS,
            "Comma-separated public addresses or networks that callbacks may not go to, such as those of this service.",
        ),
    ] = None
    callback_ca_file: Annotated[
        Path | None,
        Description(
            Group.CALLBACKS, "PEM file of certificate authorities that callbacks trust in addition to the system's."
        ),
    ] = None
    callback_nameservers: Annotated[
        str | None,
        Description(
            Group.CALLBACKS,
            "Comma-separated name servers that resolve the hosts of callbacks, such as `9.9.9.9`.",
            default="the system's name servers",
        ),
    ] = None
    moderation_block: Annotated[
        Literal["task", "http"],
        Description(
            Group.MODERATION,
            "How Easel answers an order whose prompt is refused: with a `task` that has failed, or with an error "
            "(`http`, status 400).",
        ),
    ] = "task"
    moderation_url: Annotated[
        str | None,
        Description(
            Group.MODERATION,
            "Address of a moderation server with OpenAI's `POST /v1/moderations`, such as "
            "`https://api.openai.com/v1`. It judges prompts and pictures in addition to Easel's own rules.",
        ),
    ] = None
    moderation_api_key: Annotated[
        str | None,
        Description(Group.MODERATION, "API key for the moderation server.", has_file_variant=True),
    ] = None
    moderation_model: Annotated[
        str,
        Meta(min_length=1, max_length=500),
        Description(Group.MODERATION, "Name of the model on the moderation server."),
    ] = "omni-moderation-latest"
    moderation_unanswered: Annotated[
        Literal["refuse", "draw"],
        Description(
            Group.MODERATION,
            "What happens to orders while the moderation server cannot judge. `refuse` refuses them. `draw` accepts "
            "those that do not set `nsfw_check` and whose prompt is not near a red line.",
        ),
    ] = "refuse"
    moderation_classifier: Annotated[
        Path | None,
        Description(
            Group.MODERATION,
            "Folder of a picture classifier in Hugging Face's image-classification format. A `model.onnx` needs "
            "Easel's extra `classifier`.",
        ),
    ] = None
    moderation_plugins: Annotated[
        str | None,
        Description(
            Group.MODERATION,
            "Comma-separated names of installed moderation plug-ins (entry points in the group `easel.moderation`).",
        ),
    ] = None
