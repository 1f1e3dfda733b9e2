"""Parses the body of a request to OpenAI's images API into valid orders.

It decides what OpenAI's fields mean here and which of them are ignored. `order` checks the limits of one picture.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, cast, get_args

from easel.domain.errors import InvalidRequest, ModelAccessDenied, ModelNotFound
from easel.domain.order import MODELS, RATIOS_PX, SEED_MAX, SEED_MIN, SIDE_PX_MAX, SIDE_PX_MIN, Order, parse_order

ResponseFormat: TypeAlias = Literal["url", "b64_json"]
RESPONSE_FORMATS: Final[tuple[ResponseFormat, ...]] = get_args(ResponseFormat)

PICTURES_MAX: Final = 10
DEFAULT_OUTPUT_FORMAT: Final = "png"
"""OpenAI's default, which code written for it relies on. Easel's own default is WebP."""

_AUTO: Final = "1024x1024"
_SIZE_SENTENCE: Final = (
    f"size must be auto, or WIDTHxHEIGHT with both sides from {SIDE_PX_MIN} to {SIDE_PX_MAX} pixels, such as 1024x768"
)


@dataclass(frozen=True, slots=True)
class OpenaiOrder:
    """One order per picture, which differ only in their seeds, and the form of the answer."""

    orders: tuple[Order, ...]
    model_name: str
    """The model's name as the client wrote it."""
    response_format: ResponseFormat | None
    """None for both, because most clients read `b64_json` without asking for it, and older ones `url`."""
    is_streamed: bool
    """Whether the answer is a stream of events, which contain the pictures whatever `response_format` says."""

    @property
    def has_files(self) -> bool:
        """Whether the answer contains the pictures themselves."""
        return self.is_streamed or self.response_format != "url"

    @property
    def has_links(self) -> bool:
        """Whether the answer contains links to the pictures."""
        return not self.is_streamed and self.response_format != "b64_json"

    @property
    def model(self) -> str:
        """The model that draws all pictures."""
        return self.orders[0].model


def parse(fields: object, aliases: Collection[str] = (), deployment: str | None = None) -> OpenaiOrder:
    """Parse a decoded JSON body. If it names no model, the only model is used.

    `aliases` are other names of the only model. A deployment, the model in Azure's path, overrides the body's model.
    Unknown fields, and OpenAI's fields that have no meaning here (`quality`, `style`, `background`, `moderation`,
    `user`, …), are ignored. `null` means absent. If the order has a seed, its pictures have consecutive seeds that
    begin with it. Raises InvalidRequest, ModelNotFound.
    """
    if not isinstance(fields, dict):
        raise InvalidRequest("The request body must be a JSON object")
    given = cast("Mapping[str, object]", fields)
    model = deployment if deployment is not None else given.get("model")
    if model is None:
        model = MODELS[0]
    first = _one(given, model, aliases)
    count = _count(given.get("n"))
    orders = tuple(replace(first, seed=_seed(first.seed, number)) for number in range(count))
    return OpenaiOrder(
        orders,
        str(model),
        _response_format(given.get("response_format")),
        _is_streamed(given.get("stream")),
    )


def named_model(name: str, aliases: Collection[str]) -> str:
    """Resolve an alias; other names are returned unchanged."""
    return MODELS[0] if name in aliases else name


def _one(given: Mapping[str, object], model: object, aliases: Collection[str]) -> Order:
    output_format = given.get("output_format")
    try:
        return parse_order(
            {
                "model": named_model(model, aliases) if isinstance(model, str) else model,
                "prompt": given.get("prompt"),
                "size": _size(given.get("size")),
                "seed": given.get("seed"),
                "nsfw_check": given.get("nsfw_check"),
                "output_format": DEFAULT_OUTPUT_FORMAT if output_format is None else output_format,
            }
        )
    except ModelAccessDenied:
        assert isinstance(model, str)
        raise ModelNotFound(model) from None
    except InvalidRequest as refusal:
        if refusal.param == "size":
            raise InvalidRequest(_SIZE_SENTENCE, "size") from None
        raise


def _size(value: object) -> object:
    if value is None or value == "auto":
        return _AUTO
    # OpenAI has no aspect ratios, and its clients expect errors about sizes to mention pixels.
    if isinstance(value, str) and value in RATIOS_PX:
        raise InvalidRequest(_SIZE_SENTENCE, "size")
    return value


def _seed(first: int | None, number: int) -> int | None:
    """The seed `number` places after the first. Seeds wrap around after SEED_MAX."""
    return None if first is None else (first - SEED_MIN + number) % (SEED_MAX - SEED_MIN + 1) + SEED_MIN


def _count(value: object) -> int:
    if value is None:
        return 1
    # A bool is an int in Python, but not in JSON.
    if type(value) is not int or not 1 <= value <= PICTURES_MAX:
        raise InvalidRequest(f"n must be a whole number from 1 to {PICTURES_MAX}", "n")
    return value


def _is_streamed(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidRequest("stream must be true or false", "stream")
    return value


def _response_format(value: object) -> ResponseFormat | None:
    if value is None:
        return None
    for known in RESPONSE_FORMATS:
        if value == known:
            return known
    raise InvalidRequest(f"response_format must be one of {', '.join(RESPONSE_FORMATS)}", "response_format")
