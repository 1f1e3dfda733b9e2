"""What an engine promises.

An engine draws one order in the thread that calls it, synchronously. It knows nothing of tasks, money or storage. It
promises to be safe for as many threads at once as it says in `draws_at_once`, and for no more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from easel.domain.errors import Unusable
from easel.domain.task import ErrorCode

OnStep = Callable[[int, int], None]
"""Called as `on_step(steps_done, steps_total)` after each denoising step, steps_done rising from 1 to steps_total.

Before the first step it may be called with steps_done = 0, any number of times: no step is done yet, and the engine
only shows that it lives and asks whether to go on.

Whatever it raises stops the drawing between two steps and leaves `draw` unchanged; the engine stays usable and its
next picture is the one that it would have drawn anyway.
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
    """A drawn picture: `rgb` holds height_px rows of width_px pixels of three bytes (sRGB, no alpha)."""

    width_px: int
    height_px: int
    rgb: bytes
    caption_tokens_cut: int = 0
    """How many tokens at the prompt's end did not fit into the model's window and were not drawn."""

    def __post_init__(self) -> None:
        assert len(self.rgb) == self.width_px * self.height_px * 3


class Engine(Protocol):
    """Something that draws."""

    @property
    def name(self) -> str:
        """What callers are told drew their picture, such as `zimage`."""

    @property
    def model(self) -> str | None:
        """What pictures say drew them, where it is not the model that was ordered; else None."""

    @property
    def draws_at_once(self) -> int:
        """How many draws may run at the same time, each in a thread of its own."""

    @property
    def jobs_at_once(self) -> int:
        """How many jobs a worker may hold at once: those that are drawn, and those whose picture is being stored."""

    def load(self) -> None:
        """Fetch and load whatever drawing needs. Called once, before the first draw.

        Raises EngineUnusable with a sentence for the operator.
        """

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Draw exactly the size asked for. The same drawing gives the same picture on the same machine.

        Raises OutOfMemory when this drawing does not fit and DrawingFailed when it fails for a reason that its caller
        may know (the engine stays usable after both), and whatever `on_step` raises.
        """


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that an operator is told about an engine. `is_usable` is False where it prevents drawing."""

    words: str
    is_usable: bool = True
    subject: Literal["engine", "device"] = "engine"


class EngineUnusable(Unusable):
    """The engine cannot be loaded; the message tells the operator why and how to mend it."""


class OutOfMemory(Exception):
    """The device has too little memory for this drawing; smaller ones may still succeed."""


class DrawingFailed(Exception):
    """This drawing failed for a reason that its caller may know; the engine stays usable. `message` is shown to the
    caller as it is."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def canvas_px(side_px: int, multiple_px: int) -> int:
    """The next multiple up: the side that a model draws so that `side_px` can be cut from its middle."""
    return -(-side_px // multiple_px) * multiple_px


def crop_offset_px(canvas_side_px: int, side_px: int) -> int:
    """How many pixels of a canvas side lie before the central part of `side_px`."""
    return (canvas_side_px - side_px) // 2
