"""What a background is. Each is a module of this folder with a constant `BACKGROUND`; its name is the module's.
A second constant `CLOSE_UP` may show the same place from near, for small things that would lie on the floor elsewhere,
and a third one, `LOGO`, may be the ground of a logo.

To add one: write the module, give it words in the section `places` of the tables, and add nothing else. A background
paints layers from back to front, each a piece of SVG in pixels that covers the whole picture at every ratio from 1:2
to 2:1. It draws its chance from `view.dice` and its colours through `view.tint`, which applies the light.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.light import INDOORS, Light
from easel.engines.sketch.painting.markup import Ids

Surface = Literal["ground", "water", "deep", "air", "table"]
"""What things stand, swim or float on."""


@dataclass(frozen=True, slots=True)
class View:
    """The picture that a background is painted for."""

    width: float
    height: float
    horizon: float
    """Where the ground ends, in pixels from the top."""
    light: Light
    time: str
    weather: str | None
    season: str | None
    colour: str | None
    """The colour that the prompt gives to the background."""
    backdrop: str | None
    """The larger place in which this one lies."""
    dice: Dice
    ids: Ids
    is_outdoors: bool = True
    has_hanging: bool = False
    """Whether something hangs on the wall, so that the wall has nothing of its own."""
    has_sun_or_moon: bool = False
    """Whether a sun or a moon is among the things, so that the sky has none of its own."""

    @property
    def unit(self) -> float:
        """A hundredth of the picture's shorter side."""
        return min(self.width, self.height) / 100

    def tint(self, colour: str, depth: float = 0.0) -> str:
        """A colour as it looks in this light, at a depth from 0, near, to 1, at the horizon."""
        return (self.light if self.is_outdoors else INDOORS).on(colour, depth)

    def down(self, top: float) -> float:
        """A height on the ground: 0 is the horizon, 1 the lower edge of the picture."""
        return self.horizon + (self.height - self.horizon) * top


@dataclass(frozen=True, slots=True)
class Background:
    """A place."""

    paint: Callable[[View], tuple[str, ...]]
    """The layers behind the things."""
    paint_front: Callable[[View], str] | None = None
    """What lies before the things."""
    horizon: float = 0.6
    """Where the ground ends, as a share of the height."""
    near: float = 0.9
    """Where the nearest things stand, as a share of the height."""
    surface: Surface = "ground"
    water: float | None = None
    """Where boats and swimmers float, as a share of the height, if there is water besides the ground."""
    is_outdoors: bool = True
    ground: str = "#6aa84f"
    """The colour of the ground where things stand, for shadows and reflections."""
    is_dark: bool = False
    """Whether it is dark at any time, such as space."""
    frame: float | None = None
    """How much of the shorter side things keep to, around the middle. None is the whole picture."""
    has_wall: bool = False
    """Whether there is a wall on which things can hang."""
    size: float = 1.0
    """How large things are drawn here, compared with a meadow."""


def find(name: str, *, is_close_up: bool = False, is_logo: bool = False) -> Background:
    """The background of this name. Raises ModuleNotFoundError if there is none."""
    module = importlib.import_module(f"easel.engines.sketch.backgrounds.{name.replace('-', '_')}")
    constant = "LOGO" if is_logo else "CLOSE_UP" if is_close_up else "BACKGROUND"
    background = getattr(module, constant, module.BACKGROUND)
    assert isinstance(background, Background)
    return background


def has(name: str) -> bool:
    """Whether there is a background of this name."""
    return name in names()


def names() -> Iterator[str]:
    """The names of all backgrounds, in alphabetical order."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "background" and not module.ispkg:
            yield module.name.replace("_", "-")


PLAIN: Final = "studio"
"""The background for things that stand alone."""
