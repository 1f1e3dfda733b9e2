"""OpenAI's order: the body of a request to its images API becomes orders of ours that cannot be wrong.

It knows what OpenAI's fields mean here and what of them is ignored; the bounds of one picture are `order`'s own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, cast, get_args

from easel.domain import order as order_rules
from easel.domain.errors import InvalidRequest, ModelAccessDenied, ModelNotFound
from easel.domain.order import MODELS, RATIOS_PX, SEED_MAX, SEED_MIN, SIDE_PX_MAX, SIDE_PX_MIN, Order

ResponseFormat: TypeAlias = Literal["url", "b64_json"]
RESPONSE_FORMATS: Final[tuple[ResponseFormat, ...]] = get_args(ResponseFormat)

PICTURES_MAX: Final = 10
DEFAULT_OUTPUT_FORMAT: Final = "png"
"""OpenAI's own, and what code that was written for it calls its files; elsewhere Easel's is WebP."""

_AUTO: Final = "1024x1024"
_SIZE_SENTENCE: Final = (
    f"size must be auto, or WIDTHxHEIGHT with both sides from {SIDE_PX_MIN} to {SIDE_PX_MAX} pixels, such as 1024x768"
)


@dataclass(frozen=True, slots=True)
class OpenaiOrder:
    """One order for each picture, alike but for their seeds, and how the pictures are to be answered."""

    orders: tuple[Order, ...]
    model_name: str
    """The model as the client called it."""
    response_format: ResponseFormat | None
    """None for both: most clients of today read `b64_json` without asking for it, and older ones `url`."""
    is_streamed: bool
    """Whether the answer is to be a stream of events, which hold the pictures whatever `response_format` says."""

    @property
    def has_files(self) -> bool:
        """Whether the answer holds the pictures themselves."""
        return self.is_streamed or self.response_format != "url"

    @property
    def has_links(self) -> bool:
        """Whether the answer holds links to the pictures."""
        return not self.is_streamed and self.response_format != "b64_json"

    @property
    def model(self) -> str:
        """The model that draws them all."""
        return self.orders[0].model


def parse(fields: object, aliases: Collection[str] = (), deployment: str | None = None) -> OpenaiOrder:
    """The order that a decoded JSON body asks for. Without a model it is for the only one.

    `aliases` are other names of the only model. A deployment, the model in Azure's path, counts whatever the body says.
    Unknown fields, and those of OpenAI's that mean nothing here (`quality`, `style`, `background`, `moderation`,
    `user`, …), are ignored; `null` means absent. If the order names a seed, its pictures have consecutive seeds from
    there. Raises InvalidRequest, or ModelNotFound.
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
        return order_rules.parse(
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
    # OpenAI has no ratios, and its clients know no other errors about sizes than about pixels.
    if isinstance(value, str) and value in RATIOS_PX:
        raise InvalidRequest(_SIZE_SENTENCE, "size")
    return value


def _seed(first: int | None, number: int) -> int | None:
    """The seeds that follow the first; after the greatest comes the least."""
    return None if first is None else (first - SEED_MIN + number) % (SEED_MAX - SEED_MIN + 1) + SEED_MIN


def _count(value: object) -> int:
    if value is None:
        return 1
    # bool is an int to Python, not to JSON.
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
