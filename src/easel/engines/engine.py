"""The interface of an engine.

An engine draws one picture synchronously, in the thread that calls it. It knows nothing about tasks, money or storage.
At most `draws_at_once` threads may use it concurrently.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from easel.domain.errors import Unusable
from easel.domain.task import ErrorCode

PREVIEW_SIDE_PX_MAX: Final = 256
OnStep = Callable[[int, int], None]
"""Called as `on_step(steps_done, steps_total)` after each denoising step. `steps_done` rises from 1 to `steps_total`.

Before the first step it may be called any number of times with `steps_done = 0`: the engine shows that it is alive and
asks whether to continue.

An exception from it stops the drawing between two steps, and `draw` raises it unchanged. The engine stays usable, and
its later pictures are not affected.
"""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What to draw: the prompt as the caller wrote it, the exact size in pixels, the seed (1 to 2147483647)."""

    prompt: str
    width_px: int
    height_px: int
    seed: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """A drawn picture. `rgb` holds `height_px` rows of `width_px` pixels of three bytes (sRGB, no alpha)."""

    width_px: int
    height_px: int
    rgb: bytes
    caption_tokens_cut: int = 0
    """How many tokens at the end of the prompt did not fit into the model's window and were ignored."""
    not_drawn: tuple[str, ...] | None = None
    """Words of the prompt that the picture does not show, for its owner to read. None if the engine cannot tell."""

    def __post_init__(self) -> None:
        assert len(self.rgb) == self.width_px * self.height_px * 3

    @property
    def has_one_colour(self) -> bool:
        """Whether all pixels are equal. A model draws such a picture only if something is wrong with it."""
        row = self.rgb[:3] * self.width_px
        return self.rgb.startswith(row) and self.rgb == row * self.height_px


class Engine(Protocol):
    """Something that draws."""

    @property
    def name(self) -> str:
        """The name that callers see, such as `zimage`."""

    @property
    def model(self) -> str | None:
        """The model that pictures name as their origin. None if it is the one that was ordered."""

    @property
    def draws_at_once(self) -> int:
        """How many draws may run concurrently, each in its own thread."""

    @property
    def tasks_at_once(self) -> int:
        """How many tasks a worker may hold at once: those being drawn and those whose picture is being stored."""

    def load(self) -> None:
        """Download and load all that drawing needs. Called once, before the first draw. Raises EngineUnusable."""

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Draw a picture of exactly the requested size. The same drawing gives the same picture on the same machine.

        Raises OutOfMemory if this drawing does not fit, DrawingFailed if it fails for a reason that its caller may see,
        and whatever `on_step` raises. The engine stays usable after each of them.
        """

    def probe(self) -> None:
        """Use the device for a moment. Called after an error that `draw` did not explain.

        Raises anything if the device does not answer this process any more.
        """


@runtime_checkable
class HasDeviceMemory(Protocol):
    """An engine that knows the memory of its device."""

    def device_memory_bytes(self) -> Mapping[str, int]:
        """How much memory there is, by kind: what the device has (`total`) and has left (`free`), what the engine uses
        (`used`) and has reserved (`reserved`). Called while a draw runs. Empty if it cannot be told."""


@runtime_checkable
class HasServers(Protocol):
    """An engine that draws on other servers."""

    def servers_in_use(self) -> Mapping[str, bool]:
        """Each server's address, and whether it gets draws. False while it is left alone because it failed."""


MakePreview: TypeAlias = Callable[[], Pixels | None]
OfferPreview: TypeAlias = Callable[[MakePreview], None]
"""Called as `offer_preview(make)` before a step is reported, in the thread that draws.

`make` returns the picture as far as it is, in its shape and with at most PREVIEW_SIDE_PX_MAX on a side. It is called
at once or not at all, and so seldom that it may take a few milliseconds. It returns None if the picture has not
changed, or if the engine only learns now that somebody watches. An engine may also offer previews between two steps.
"""


def no_previews(_make: MakePreview) -> None:
    """Nobody watches."""


@runtime_checkable
class PreviewingEngine(Engine, Protocol):
    """An engine that can cheaply show how far a picture is. This part of the interface is optional."""

    @property
    def offers_previews(self) -> Literal[True]:
        """Tells such an engine from others."""

    def draw(self, drawing: Drawing, on_step: OnStep, offer_preview: OfferPreview = no_previews) -> Pixels:
        """Draw as every engine does, and offer a preview of each step."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A finding about an engine, for the operator. `is_usable` is False if the finding prevents drawing."""

    words: str
    is_usable: bool = True
    subject: Literal["engine", "device"] = "engine"


class EngineUnusable(Unusable):
    """The engine cannot be loaded. The message tells the operator why and what to do."""


class OutOfMemory(Exception):
    """The device has too little memory for this drawing. Smaller ones may still succeed."""


class DrawingFailed(Exception):
    """This drawing failed. `message` is shown to the caller as it is. `hint` is for the operator."""

    def __init__(self, code: ErrorCode, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def canvas_px(side_px: int, multiple_px: int) -> int:
    """`side_px` rounded up to a multiple. The model draws this much, and `side_px` is cut from the middle."""
    return -(-side_px // multiple_px) * multiple_px


def crop_offset_px(canvas_side_px: int, side_px: int) -> int:
    """Where the central `side_px` begin on a side of the canvas."""
    return (canvas_side_px - side_px) // 2
