"""Groups of pictures that stand together: a thing with what it wears, holds, carries and rides.

A unit is built in metres around the middle of its lower edge, x to the right and y upwards. What is attached keeps its
place relative to its carrier, whatever the size of the picture (`attaching.py`).
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.pictures.library import Picture
from easel.engines.sketch.reading.wish import Thing

SIZES: Final = {"big": 1.45, "small": 0.62, "tiny": 0.3}
HEIGHT_POWER: Final = 0.36
"""How far real heights are brought nearer to one another: a house of 5 m is 1.8 times as high as a man."""
SMALL_POWER: Final = 0.55
"""The same for what is smaller than a metre."""


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of a unit: its middle, its lower edge and its height in metres."""

    picture: Picture
    thing: int
    """The index of its thing, or -1 for a mark that belongs to no thing of the prompt."""
    x: float
    y: float
    height: float
    colour: str | None = None
    dyes: tuple[tuple[str, str], ...] = ()
    is_mirrored: bool = False
    clothes: str = "#3f7fd0"
    trousers: str = "#3f4a6b"
    pose: str = "standing"
    on_ground: bool = True
    lift: float = 0.0
    """How far it is above the ground, in metres."""
    sunk: float = 0.0
    """How much of its height is under water."""
    cut: float = 0.0
    """How much of its height, from below, is hidden by what it rides."""
    turn: float = 0.0
    """Degrees, clockwise."""
    leaps: bool = False
    """Whether it jumps over what it is above."""

    @property
    def width(self) -> float:
        """Its width in metres."""
        return self.height * self.picture.width / self.picture.height


@dataclass(slots=True)
class Unit:
    """Parts from back to front. The first named thing is its root."""

    root: int
    parts: list[Part] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Its left edge."""
        return min(part.x - part.width / 2 for part in self.parts)

    @property
    def right(self) -> float:
        """Its right edge."""
        return max(part.x + part.width / 2 for part in self.parts)

    @property
    def top(self) -> float:
        """Its height."""
        return max(part.y + part.height for part in self.parts)

    @property
    def base(self) -> Part:
        """The part that stands for the unit."""
        return self.of(self.root)

    def of(self, thing: int) -> Part:
        """The first part that shows a thing."""
        return next(part for part in self.parts if part.thing == thing)

    def swap(self, old: Part, new: Part) -> None:
        """Put a part in the place of another."""
        self.parts[self.parts.index(old)] = new

    def scaled(self, factor: float) -> "Unit":
        """The same unit, larger or smaller."""
        return Unit(
            self.root,
            [
                replace(one, x=one.x * factor, y=one.y * factor, height=one.height * factor, lift=one.lift * factor)
                for one in self.parts
            ],
        )

    def mirrored(self) -> "Unit":
        """The same unit seen from the other side."""
        return Unit(
            self.root,
            [replace(part, x=-part.x, is_mirrored=not part.is_mirrored, turn=-part.turn) for part in self.parts],
        )


def drawn_height(picture: Picture, asked: Thing) -> float:
    """How tall a thing is drawn, in metres of the scene."""
    height_m = picture.traits.height_m
    power = HEIGHT_POWER if height_m > 1 else SMALL_POWER
    return math.pow(height_m, power) * SIZES.get(asked.size or "", 1.0)


def varied(picture: str, number: int, dice: Dice, members: tuple[str, ...]) -> str:
    """One of the members of a group: they follow one another, from one that chance picks."""
    return members[(dice.below(len(members)) + number) % len(members)] if members else picture
