"""A lake before mountains, with reeds and a shore of grass."""

from typing import Final

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.beyond import beyond
from easel.engines.sketch.backgrounds.elements.land import (
    conifer,
    flowers,
    foliage,
    grass,
    grass_colour,
    hill,
    mountain_range,
    round_tree,
)  # fmt: skip
from easel.engines.sketch.backgrounds.elements.season import lying
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.water import glitter, water
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import line, n, rect

SHORE: Final = 0.62
"""Where the near shore begins: 0 is the horizon, 1 the lower edge."""


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("lake")
    unit, green = view.unit, grass_colour(view)
    snowy = view.season == "winter" or view.weather == "snowfall"
    rock = dice.pick(("#6f7f99", "#7a7690", "#647f8f"))
    far = mountain_range(view, view.horizon, view.horizon * 0.56, rock, 0.75, dice.named("far"), True)
    far += hill(
        view, view.horizon - unit, 1.4 * unit, view.tint(lighter(green, -0.05), 0.5), view.tint(green, 0.4), dice
    )
    for _ in range(16):
        far += _tree(view, dice, dice.between(0, 1) * view.width, view.horizon + 0.6 * unit, snowy)
    if view.backdrop in ("forest", "jungle", "city", "desert"):
        far = beyond(view)
    shore = view.down(SHORE)
    lake = water(view, view.horizon + unit, shore + 3 * unit) + _reflection(view, dice, rock)
    lake += glitter(view, view.horizon + 1.5 * unit, shore)
    near = hill(
        view, shore + 1.5 * unit, 1.5 * unit, view.tint(lighter(green, 0.03)), view.tint(lighter(green, -0.12)), dice, 3
    )
    near += grass(view, dice, shore + 3 * unit, 34, view.tint(lighter(green, -0.14)))
    if not snowy:
        near += flowers(view, dice, shore + 4 * unit, 14) + _reeds(view, dice, shore + 3 * unit)
    return sky(view), far, lake, near + lying(view, shore + 4 * unit)


def _tree(view: View, dice: Dice, x: float, base: float, snowy: bool) -> str:
    if dice.chance(0.6):
        return conifer(view, x, base, dice.between(8, 15) * view.unit, "#35704f", 0.5, snowy)
    return round_tree(view, x, base, dice.between(7, 11) * view.unit, foliage(view, dice), 0.5, dice)


def _reflection(view: View, dice: Dice, rock: str) -> str:
    """The mountains and the far shore, darker on the water."""
    unit = view.unit
    painted = rect(0, view.horizon + unit, view.width, 5 * unit, view.tint(lighter(rock, -0.1), 0.6), opacity=0.35)
    for _ in range(5):
        x, wide = dice.between(0.05, 0.95) * view.width, dice.between(12, 26) * unit
        painted += rect(
            x - wide / 2, view.horizon + unit, wide, dice.between(5, 10) * unit, view.tint(rock, 0.6), opacity=0.22
        )
    return painted


def _reeds(view: View, dice: Dice, base: float) -> str:
    """Reeds at both sides of the shore."""
    unit, stems, heads = view.unit, "", ""
    for _ in range(14):
        x = dice.pick((dice.between(0.0, 0.14), dice.between(0.86, 1.0))) * view.width
        tall, lean = dice.between(7, 13) * unit, dice.between(-1.2, 1.2) * unit
        stems += f"M{n(x)} {n(base)}Q{n(x)} {n(base - tall * 0.6)} {n(x + lean)} {n(base - tall)}"
        heads += f"M{n(x + lean)} {n(base - tall)}v{n(-1.8 * unit)}"
    return line(stems, view.tint("#5f8f3f"), 0.4 * unit) + line(heads, view.tint("#7a4f30"), 1.0 * unit)


BACKGROUND = Background(paint=_paint, horizon=0.52, near=0.93, water=0.74, ground="#558f3f")
