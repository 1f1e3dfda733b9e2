"""What frames contain, as values that cannot be wrong: whatever arrives is checked here, and nowhere else.

Words are JSON objects. A picture is four numbers of four bytes each (big-endian) and its pixels, and so is a preview.
The child imports this module, so it needs nothing but the standard library.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar, get_type_hints

from easel.engines.sdcpp.frames import PICTURE_SIDE_PX_MAX, FrameWrong
from easel.engines.sdcpp.prompts import PROMPT_TOKENS_MAX

STEPS: Final = 8
"""What Z-Image-Turbo was distilled for."""
MULTIPLE_PX: Final = 16
PREVIEW_PIXEL_PX: Final = 8
"""How much of the canvas a pixel of a preview stands for, on each side."""
PROMPT_CHARACTERS_MAX: Final = 10_000
REASON_CHARACTERS_MAX: Final = 500
_PICTURE_HEAD: Final = struct.Struct(">4I")

UNUSABLE: Final = "unusable"
CANCELLED: Final = "cancelled"
MEMORY: Final = "memory"
EMPTY: Final = "empty"
FAILED: Final = "failed"
PROBLEMS: Final = frozenset({UNUSABLE, CANCELLED, MEMORY, EMPTY, FAILED})
"""Why nothing was loaded or drawn: the installation or the files, the engine's own wish, memory, a picture without
content, and anything else."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The child has loaded the library: its version, the installed wheels of it, and the devices that it found, each as
    its name and its description."""

    version: str
    wheels: list[str]
    devices: list[list[str]]


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What to load, how to use the machine, and how many tokens of a prompt are read. Without `threads`, all physical
    cores draw. A file `lora` has `lora_tensors` tensors, all of which the library must add."""

    transformer: str
    text_encoder: str
    autoencoder: str
    threads: int | None = None
    backend: str | None = None
    memory: str = "auto"
    vram_gb: float | None = None
    tiles: bool = False
    prompt_tokens_max: int = PROMPT_TOKENS_MAX
    lora: str | None = None
    lora_tensors: int = 0


@dataclass(frozen=True, slots=True)
class DrawOrder:
    """Draw number `number`. The size is that of the canvas."""

    number: int
    prompt: str
    width_px: int
    height_px: int
    seed: int


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Stop drawing `number`, if that is what is being drawn."""

    number: int


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """Send a preview before each further step of drawing `number`, if that is what is being drawn."""

    number: int


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of STEPS steps of drawing `number` are done."""

    number: int
    done: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why drawing `number` failed, or 0 for what is not a drawing. `words` is for the operator."""

    number: int
    problem: str
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Drawing `number`, or a preview of it: rows of pixels of three bytes."""

    number: int
    width_px: int
    height_px: int
    tokens_cut: int
    rgb: bytes


Message = Hello | LoadOrder | DrawOrder | CancelOrder | WatchOrder | Step | Failure
M = TypeVar("M", Hello, LoadOrder, DrawOrder, CancelOrder, WatchOrder, Step, Failure)

_ACCEPTED: Final[dict[Any, Any]] = {
    int: lambda value: type(value) is int and abs(value) < 2**53,
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int | None: lambda value: value is None or type(value) is int,
    str | None: lambda value: value is None or isinstance(value, str),
    float | None: lambda value: value is None or type(value) in {int, float},
    list[str]: lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    list[list[str]]: lambda value: (
        isinstance(value, list)
        and all(isinstance(item, list) and [type(word) for word in item] == [str, str] for item in value)
    ),
}
"""What is accepted for each type of field."""


def encode(message: Message) -> bytes:
    """The content of a frame with words."""
    return json.dumps(asdict(message), ensure_ascii=True).encode()


def decode(kind: type[M], content: bytes) -> M:
    """The message in a frame. Raises FrameWrong if a field is missing, unknown, of the wrong type or out of range."""
    wanted = get_type_hints(kind)
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        raise FrameWrong(f"it sent a {kind.__name__} that is not JSON") from None
    if not isinstance(read, dict) or read.keys() != wanted.keys():
        raise FrameWrong(f"it sent a {kind.__name__} without the right fields")
    wrong = [name for name, type_ in wanted.items() if not _ACCEPTED[type_](read[name])]
    if wrong:
        raise FrameWrong(f"it sent a {kind.__name__} with a wrong {wrong[0]}")
    message = kind(**read)
    if not _is_in_range(message):
        raise FrameWrong(f"it sent a {kind.__name__} out of range")
    return message


def encode_picture(picture: Picture) -> bytes:
    """The content of a PICTURE frame, or of a PREVIEW."""
    head = _PICTURE_HEAD.pack(picture.number, picture.width_px, picture.height_px, picture.tokens_cut)
    return head + picture.rgb


def decode_picture(content: bytes) -> Picture:
    """The picture in a frame. Raises FrameWrong if it has not as many pixels as it says."""
    if len(content) < _PICTURE_HEAD.size:
        raise FrameWrong("it sent half a picture")
    number, width_px, height_px, tokens_cut = _PICTURE_HEAD.unpack_from(content)
    rgb = content[_PICTURE_HEAD.size :]
    if not 0 < width_px <= PICTURE_SIDE_PX_MAX or len(rgb) != width_px * height_px * 3:
        raise FrameWrong("it sent a picture of another size than it says")
    return Picture(number, width_px, height_px, tokens_cut, rgb)


def _is_in_range(message: Message) -> bool:
    match message:
        case Step():
            return 1 <= message.done <= STEPS
        case Failure():
            return message.problem in PROBLEMS
        case DrawOrder():
            sides_px = (message.width_px, message.height_px)
            fits = all(0 < side_px <= PICTURE_SIDE_PX_MAX and side_px % MULTIPLE_PX == 0 for side_px in sides_px)
            return fits and len(message.prompt) <= PROMPT_CHARACTERS_MAX
    return True
