"""How people hold their arms and legs: where shoulders, elbows, hands, hips, knees and feet are, seen from the front.

A limb is two or three points. Their x goes outwards from the middle of the body, on both sides. The y of arms goes down
from the neck, in units of the picture; the y of legs goes down from the hip, in lengths of a leg.
"""

from dataclasses import dataclass
from typing import Final

from easel.engines.sketch.painting.markup import Point

Limb = tuple[Point, ...]
DOWN: Final[Limb] = ((5.2, 2.0), (6.5, 7.4), (7.5, 13.0))
UP: Final[Limb] = ((5.2, 2.2), (8.6, -0.6), (9.8, -5.6))
HIP: Final[Limb] = ((5.2, 2.0), (9.4, 5.4), (7.2, 10.2))
STRAIGHT: Final[Limb] = ((2.6, -0.1), (2.9, 1.0))


@dataclass(frozen=True, slots=True)
class Body:
    """The limbs of the left and of the right side of the picture."""

    arms: tuple[Limb, Limb] = (DOWN, DOWN)
    legs: tuple[Limb, Limb] = (STRAIGHT, STRAIGHT)
    has_arms_in_front: bool = False
    sits: bool = False
    """Whether it sits on something: its hip is where that is."""
    lifted: float = 0.0
    """How far it is above the ground, as a share of its height."""
    grip: Point = (7.5, 13.0)
    """Where the right hand holds something."""


_LAP: Final[Limb] = ((5.2, 2.0), (7.6, 7.6), (4.8, 11.8))
_BOOK: Final[Limb] = ((5.2, 2.0), (7.8, 7.8), (4.4, 10.0))
_SEATED: Final[Limb] = ((2.9, -0.06), (3.9, 0.2), (3.9, 0.86))
BODIES: Final = {
    "standing": Body(),
    "walking": Body(
        arms=(((5.2, 2.0), (7.0, 7.0), (5.6, 11.6)), DOWN),
        legs=(((2.6, -0.1), (3.4, 0.5), (3.4, 1.0)), ((2.6, -0.1), (3.2, 0.5), (2.6, 0.84))),
    ),
    "running": Body(
        arms=(((5.2, 2.0), (8.4, 6.4), (5.4, 9.8)), ((5.2, 2.0), (9.0, 6.0), (9.8, 0.8))),
        legs=(((2.6, -0.1), (4.8, 0.3), (3.8, 0.72)), ((2.6, -0.1), (3.8, 0.5), (6.6, 0.94))),
        lifted=0.03,
    ),
    "jumping": Body(
        arms=(UP, UP),
        legs=(((2.6, -0.1), (6.0, 0.34), (4.6, 0.8)), ((2.6, -0.1), (6.0, 0.34), (4.6, 0.8))),
        lifted=0.22,
    ),
    "dancing": Body(
        arms=(((5.2, 2.2), (9.2, -0.4), (8.8, -6.0)), HIP),
        legs=(((2.6, -0.1), (3.4, 0.5), (3.6, 1.0)), ((2.6, -0.1), (6.6, 0.4), (3.4, 0.78))),
    ),
    "cheering": Body(arms=(UP, UP)),
    "waving": Body(arms=(DOWN, UP)),
    "sitting": Body(arms=(_LAP, _LAP), legs=(_SEATED, _SEATED), has_arms_in_front=True, sits=True),
    "crossed": Body(
        arms=(((5.2, 2.0), (8.4, 7.6), (8.2, 12.6)), ((5.2, 2.0), (8.4, 7.6), (8.2, 12.6))),
        legs=(((2.6, 0.0), (8.6, 0.16), (1.6, 0.28)), ((2.6, 0.0), (8.6, 0.16), (1.0, 0.28))),
        has_arms_in_front=True,
    ),
    "riding": Body(
        arms=(_BOOK, _BOOK),
        legs=(((2.0, -0.1), (2.2, 0.0), (2.4, 0.06)), ((2.6, -0.06), (4.2, 0.22), (4.4, 0.82))),
        has_arms_in_front=True,
        sits=True,
    ),
    "holding": Body(
        arms=(DOWN, ((5.2, 2.0), (8.6, 7.8), (10.4, 4.4))), has_arms_in_front=True, grip=(10.4, 4.4)
    ),
    "reading": Body(arms=(_BOOK, _BOOK), has_arms_in_front=True, grip=(0.0, 9.4)),
    "reading-seated": Body(
        arms=(_BOOK, _BOOK), legs=(_SEATED, _SEATED), has_arms_in_front=True, sits=True, grip=(0.0, 9.4)
    ),
    "holding-seated": Body(
        arms=(_LAP, ((5.2, 2.0), (8.6, 7.8), (10.4, 4.4))), legs=(_SEATED, _SEATED), has_arms_in_front=True, sits=True,
        grip=(10.4, 4.4),
    ),
    "flying": Body(
        arms=(UP, ((5.2, 2.2), (7.2, -4.0), (7.8, -9.5))),
        legs=(((2.2, -0.1), (2.4, 0.5), (2.2, 1.0)), ((2.2, -0.1), (3.6, 0.36), (2.6, 0.72))),
    ),
    "swimming": Body(arms=(HIP, UP)),
}  # fmt: skip
"""By what people do."""
