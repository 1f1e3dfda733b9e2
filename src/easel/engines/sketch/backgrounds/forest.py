"""A clearing in a forest, with rows of trees that fade with distance."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import (
    bush,
    conifer,
    foliage,
    grass,
    grass_colour,
    hill,
    round_tree,
)  # fmt: skip
from easel.engines.sketch.backgrounds.elements.season import lying
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter


def _row(view: View, dice: Dice, base: float, height: float, depth: float, gap: float, kind: int) -> str:
    painted, x = "", -gap
    while x < view.width + gap:
        tall = height * dice.between(0.8, 1.2)
        is_fir = kind == 0 or (kind == 2 and dice.chance(0.5))
        snowy = view.season == "winter" or view.weather == "snowfall"
        if is_fir:
            painted += conifer(view, x, base + dice.between(-1, 1) * view.unit, tall, "#2f6f4a", depth, snowy)
        else:
            painted += round_tree(
                view, x, base + dice.between(-1, 1) * view.unit, tall, foliage(view, dice), depth, dice
            )
        x += gap * dice.between(0.7, 1.3)
    return painted


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("forest")
    kind = dice.below(3) if view.season not in ("autumn", "spring") else 1 + dice.below(2)
    green = lighter(grass_colour(view), -0.05)
    unit = view.unit
    far = _row(view, dice, view.horizon + unit, 34 * unit, 0.95, 7 * unit, kind)
    far += _row(view, dice, view.horizon + 2.5 * unit, 40 * unit, 0.62, 11 * unit, kind)
    middle = hill(
        view, view.horizon + 2 * unit, 1.2 * unit, view.tint(green, 0.4), view.tint(lighter(green, -0.1)), dice
    )
    for side in (dice.between(0.0, 0.09), dice.between(0.91, 1.0), dice.between(0.15, 0.24), dice.between(0.77, 0.86)):
        middle += (
            round_tree(view, side * view.width, view.down(0.16), 58 * unit, foliage(view, dice), 0.2, dice)
            if kind
            else (conifer(view, side * view.width, view.down(0.16), 62 * unit, "#2b6644", 0.2, view.season == "winter"))
        )
    near = ""
    for _ in range(4):
        near += bush(view, dice.pick((dice.between(-0.02, 0.2), dice.between(0.8, 1.02))) * view.width, view.down(0.24),
                     dice.between(9, 15) * unit, foliage(view, dice), 0.1)  # fmt: skip
    near += grass(view, dice, view.down(0.25), 60, view.tint(lighter(green, -0.14)))
    return sky(view), far, middle, near + lying(view, view.down(0.2))


BACKGROUND = Background(paint=_paint, horizon=0.62, ground="#4d7f3a")
