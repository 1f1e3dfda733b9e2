"""A park or garden: lawn, hedges, flower beds and a path."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import (
    bush,
    flowers,
    foliage,
    grass,
    grass_colour,
    hill,
    round_tree,
)  # fmt: skip
from easel.engines.sketch.backgrounds.elements.season import is_winter, lying
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import n, path


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("garden")
    unit, green = view.unit, grass_colour(view)
    far = ""
    for number in range(9):
        x = view.width * (number + dice.between(0.1, 0.9)) / 9
        far += round_tree(view, x, view.horizon + unit, dice.between(20, 34) * unit, foliage(view, dice), 0.55, dice)
    for number in range(14):
        far += bush(
            view,
            view.width * (number + 0.5) / 14,
            view.horizon + 2 * unit,
            dice.between(9, 13) * unit,
            foliage(view, dice),
            0.35,
        )
    lawn = hill(
        view,
        view.horizon + 1.2 * unit,
        0.4 * unit,
        view.tint(lighter(green, 0.04), 0.25),
        view.tint(lighter(green, -0.08)),
        dice,
    )
    end, low = view.width * dice.between(0.3, 0.7), view.height
    lawn += path(
        f"M{n(end - 1.5 * unit)} {n(view.horizon + 1.6 * unit)}C{n(end)} {n(view.down(0.3))} {n(view.width * 0.16)} {n(view.down(0.5))}"
        f" {n(view.width * 0.12)} {n(low)}H{n(view.width * 0.88)}C{n(view.width * 0.78)} {n(view.down(0.5))} {n(end + 8 * unit)}"
        f" {n(view.down(0.3))} {n(end + 1.5 * unit)} {n(view.horizon + 1.6 * unit)}Z",
        view.tint("#dfe8ee" if is_winter(view) else "#e6d5ae", 0.05),
    )
    lawn += grass(view, dice, view.down(0.1), 26, view.tint(lighter(green, -0.12)), 0.8)
    beds = ""
    for side in (0.05, 0.95):
        beds += bush(view, view.width * side, view.down(0.42), 20 * unit, foliage(view, dice), 0.05)
    return sky(view), far, lawn + beds + flowers(view, dice, view.down(0.2), 22) + lying(view, view.down(0.12))


BACKGROUND = Background(paint=_paint, horizon=0.56, ground="#6f8f45")
