"""An order: its fields, their limits, and the size in pixels of each named ratio.

`parse_order` turns the fields of a request body into a valid `Order`, or raises `InvalidRequest` with a message that
says what is allowed. It does not know the caller, the price, or the models that a key may use.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

from easel.domain.callback import PUBLIC_ONLY, Destinations
from easel.domain.errors import InvalidRequest, ModelAccessDenied

OutputFormat: TypeAlias = Literal["webp", "png", "jpeg"]
OUTPUT_FORMATS: Final[tuple[str, ...]] = get_args(OutputFormat)

MODELS: Final = ("z-image-turbo",)
PROMPT_CODE_POINTS_MAX: Final = 2000
SEED_MIN: Final = 1
SEED_MAX: Final = 2_147_483_647
SIDE_PX_MIN: Final = 376
SIDE_PX_MAX: Final = 1536

RATIOS_PX: Final[Mapping[str, tuple[int, int]]] = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1152),
    "4:3": (1152, 864),
    "9:16": (720, 1280),
    "16:9": (1280, 720),
    "1:2": (720, 1440),
    "2:1": (1440, 720),
}
"""Width and height in pixels of each named ratio, as the hosted service draws it."""

VISIBLE_PATTERN: Final = (
    r"[^\s\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]"
)
"""Matches a visible character: not a blank, a control character or an invisible sign (Unicode's
Default_Ignorable_Code_Point in the basic plane, and the blank Braille cell). Python and JSON Schema read it alike."""
_VISIBLE = re.compile(VISIBLE_PATTERN)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_EXPLICIT_SIZE = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")
_SIZE_SENTENCE = (
    f"size must be one of {', '.join(RATIOS_PX)}, or WIDTHxHEIGHT with both sides from "
    f"{SIDE_PX_MIN} to {SIDE_PX_MAX} pixels, such as 1024x768"
)


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to draw. `seed` is None if the service should choose one."""

    model: str
    prompt: str
    width_px: int = 1024
    height_px: int = 1024
    seed: int | None = None
    nsfw_check: bool = False
    callback_url: str | None = None
    output_format: OutputFormat = "webp"

    def digest(self) -> bytes:
        """32 bytes that identify this order by its meaning, however the request was written."""
        return hashlib.sha256(repr(self).encode()).digest()


def parse_order(fields: object, destinations: Destinations = PUBLIC_ONLY) -> Order:
    """The order in a decoded JSON body. `destinations` says where callbacks may go.

    Unknown fields are ignored. `null` in an optional field means that it is absent.
    Raises InvalidRequest, or ModelAccessDenied for a model that does not exist.
    """
    if not isinstance(fields, dict):
        raise InvalidRequest("The request body must be a JSON object")
    given = cast("Mapping[str, object]", fields)
    model = _model(given.get("model"))
    width_px, height_px = _size(given.get("size"))
    order = Order(
        model=model,
        prompt=_prompt(given.get("prompt")),
        width_px=width_px,
        height_px=height_px,
        seed=_seed(given.get("seed")),
        nsfw_check=_nsfw_check(given.get("nsfw_check")),
        callback_url=_callback_url(given.get("callback_url"), destinations),
        output_format=_output_format(given.get("output_format")),
    )
    if order.model not in MODELS:
        raise ModelAccessDenied(order.model)
    return order


def _model(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"model is required and must be a string, such as {MODELS[0]}", "model")
    return value


def _prompt(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("prompt is required and must be a string", "prompt")
    if not 1 <= len(value) <= PROMPT_CODE_POINTS_MAX:
        raise InvalidRequest(f"prompt must have 1 to {PROMPT_CODE_POINTS_MAX} characters", "prompt")
    if not is_storable(value):
        raise InvalidRequest("prompt must not contain NUL characters or lone surrogates", "prompt")
    if not _VISIBLE.search(value):
        raise InvalidRequest("prompt must not be blank: say what to draw", "prompt")
    return value


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can store the text: it has no NUL, and every code point has a UTF-8 form."""
    return _UNSTORABLE.search(text) is None


def _size(value: object) -> tuple[int, int]:
    if value is None:
        return RATIOS_PX["1:1"]
    if not isinstance(value, str):
        raise InvalidRequest(_SIZE_SENTENCE, "size")
    if value in RATIOS_PX:
        return RATIOS_PX[value]
    match = _EXPLICIT_SIZE.fullmatch(value)
    if match is None:
        raise InvalidRequest(_SIZE_SENTENCE, "size")
    width_px, height_px = int(match[1]), int(match[2])
    if not (SIDE_PX_MIN <= width_px <= SIDE_PX_MAX and SIDE_PX_MIN <= height_px <= SIDE_PX_MAX):
        raise InvalidRequest(_SIZE_SENTENCE, "size")
    return width_px, height_px


def _seed(value: object) -> int | None:
    if value is None:
        return None
    # In Python, unlike in JSON, a bool is an int.
    if type(value) is not int or not SEED_MIN <= value <= SEED_MAX:
        raise InvalidRequest(f"seed must be a whole number from {SEED_MIN} to {SEED_MAX}", "seed")
    return value


def _nsfw_check(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidRequest("nsfw_check must be true or false", "nsfw_check")
    return value


def _callback_url(value: object, destinations: Destinations) -> str | None:
    if value is None:
        return None
    fault = destinations.url_fault(value)
    if fault is not None:
        raise InvalidRequest(f"callback_url {fault}", "callback_url")
    assert isinstance(value, str)
    return value


def _output_format(value: object) -> OutputFormat:
    if value is None:
        return "webp"
    if not isinstance(value, str) or value not in OUTPUT_FORMATS:
        raise InvalidRequest(f"output_format must be one of {', '.join(OUTPUT_FORMATS)}", "output_format")
    return cast("OutputFormat", value)
