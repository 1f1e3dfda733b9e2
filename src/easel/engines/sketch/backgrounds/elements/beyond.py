"""What is seen behind a place that lies in a larger one: mountains behind a road, a forest behind a lake, a city
behind a river.
"""

from collections.abc import Callable, Mapping
from typing import Final

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.backgrounds.elements.land import (
    SAND,
    conifer,
    foliage,
    hill,
    mountain_range,
    round_tree,
)  # fmt: skip
from easel.engines.sketch.backgrounds.elements.season import is_winter
from easel.engines.sketch.backgrounds.elements.town import skyline
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import polygon

ROCKS: Final = ("#6f7f99", "#7a7690", "#8a7a78", "#647f8f")
JUNGLE: Final = ("#2f8a4a", "#3c9c4f", "#23774a", "#55a84a")


def beyond(view: View) -> str:
    """The larger place, down to the horizon. Empty if the prompt names none that can be seen from here."""
    paint = _BEYOND.get(view.backdrop or "")
    return paint(view, view.dice.named("beyond")) if paint is not None else ""


def _mountains(view: View, dice: Dice) -> str:
    rock, unit = dice.pick(ROCKS), view.unit
    painted = mountain_range(view, view.horizon + unit, 0.66 * view.horizon, rock, 0.75, dice.named("far"), True)
    painted += mountain_range(
        view, view.horizon + 2 * unit, 0.42 * view.horizon, lighter(rock, -0.06), 0.42, dice.named("near"), True
    )
    for _ in range(20):
        x, tall = dice.between(0, 1) * view.width, dice.between(6, 11) * unit
        painted += conifer(view, x, view.horizon + 2 * unit, tall, "#35704f", 0.45, is_winter(view))
    return painted


def _forest(view: View, dice: Dice) -> str:
    has_firs = view.season not in ("autumn", "spring")
    painted = ""
    for tall, depth, gap in ((30, 0.85, 7), (25, 0.5, 10)):
        x = -gap * view.unit
        while x < view.width + gap * view.unit:
            base, high = view.horizon + 2 * view.unit, tall * view.unit * dice.between(0.75, 1.15)
            if has_firs and dice.chance(0.5):
                painted += conifer(view, x, base, high, "#2f6f4a", depth, is_winter(view))
            else:
                painted += round_tree(view, x, base, high, foliage(view, dice), depth, dice)
            x += gap * view.unit * dice.between(0.7, 1.3)
    return painted


def _jungle(view: View, dice: Dice) -> str:
    painted = ""
    for tall, depth in ((34, 0.85), (25, 0.5)):
        for number in range(16):
            x = view.width * (number + dice.between(0.1, 0.9)) / 16
            high = tall * view.unit * dice.between(0.75, 1.2)
            painted += round_tree(view, x, view.horizon + 2 * view.unit, high, dice.pick(JUNGLE), depth, dice)
    return painted


def _city(view: View, dice: Dice) -> str:
    painted = skyline(view, dice, view.horizon + 2 * view.unit, 0.62 * view.horizon, 0.75, 11 * view.unit)
    return painted + skyline(view, dice, view.horizon + 2 * view.unit, 0.4 * view.horizon, 0.45, 14 * view.unit)


def _desert(view: View, dice: Dice) -> str:
    painted, base = "", view.horizon + 2 * view.unit
    for _ in range(3):
        x, wide = dice.between(0, 1) * view.width, dice.between(9, 18) * view.unit
        tall = dice.between(7, 15) * view.unit
        painted += polygon(
            [(x - wide, base), (x - 0.7 * wide, base - tall), (x + 0.5 * wide, base - tall),
             (x + 0.62 * wide, base - 0.5 * tall), (x + wide, base)],
            view.tint("#b5714a", 0.7),
        )  # fmt: skip
    return painted + hill(view, view.horizon, 2.4 * view.unit, view.tint(SAND, 0.5), view.tint(SAND, 0.3), dice)


_BEYOND: Final[Mapping[str, Callable[[View, Dice], str]]] = {
    "mountains": _mountains, "forest": _forest, "jungle": _jungle, "city": _city, "desert": _desert,
}  # fmt: skip
