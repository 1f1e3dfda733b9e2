"""A farm: a red barn, a silo, rows of crops and a fence."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.beyond import beyond
from easel.engines.sketch.backgrounds.elements.land import foliage, grass_colour, hill, round_tree
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import line, n, path, polygon, rect


def _barn(view: View, x: float, base: float, wide: float) -> str:
    tall, red = wide * 0.55, view.tint("#b8433a", 0.3)
    painted = rect(x + wide * 1.02, base - tall * 1.5, wide * 0.26, tall * 1.5, view.tint("#c9ccd3", 0.3), wide * 0.13)
    painted += rect(x, base - tall, wide, tall, red)
    painted += polygon([(x - wide * 0.04, base - tall), (x + wide * 0.16, base - tall * 1.5), (x + wide * 0.5, base - tall * 1.78),
                        (x + wide * 0.84, base - tall * 1.5), (x + wide * 1.04, base - tall)], view.tint("#6a4a44", 0.3))  # fmt: skip
    white = view.tint("#f7f0e4", 0.3)
    painted += rect(x + wide * 0.32, base - tall * 0.72, wide * 0.36, tall * 0.72, white)
    painted += rect(x + wide * 0.35, base - tall * 0.67, wide * 0.3, tall * 0.67, view.tint("#93332d", 0.3))
    left, right, top = x + wide * 0.35, x + wide * 0.65, base - tall * 0.67
    painted += line(
        f"M{n(left)} {n(top)}L{n(right)} {n(base)}M{n(right)} {n(top)}L{n(left)} {n(base)}", white, wide * 0.022
    )
    return painted + rect(x + wide * 0.43, base - tall * 1.4, wide * 0.14, tall * 0.24, white)


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("farm")
    unit, green = view.unit, grass_colour(view)
    far = hill(
        view, view.horizon - 2 * unit, 2.6 * unit, view.tint(green, 0.75), view.tint(lighter(green, 0.02), 0.5), dice
    )
    for _ in range(5):
        far += round_tree(
            view,
            dice.between(0, 1) * view.width,
            view.horizon + unit,
            dice.between(9, 15) * unit,
            foliage(view, dice),
            0.45,
            dice,
        )
    far += _barn(view, view.width * dice.pick((0.08, 0.62)), view.horizon + 2.4 * unit, 26 * unit)
    field = hill(
        view,
        view.horizon + 2 * unit,
        0.4 * unit,
        view.tint(lighter(green, 0.04), 0.25),
        view.tint(lighter(green, -0.08)),
        dice,
    )
    crop = dice.pick(("#e6c65a", "#b7c95a", "#d9a84a"))
    end = view.width * dice.between(0.3, 0.7)
    for number in range(-7, 8, 2):
        top = view.horizon + 3 * unit
        a, b = end + number * 3.2 * unit, end + (number + 1) * 3.2 * unit
        field += path(f"M{n(a)} {n(top)}L{n(b)} {n(top)}L{n(view.width / 2 + (number + 1) * view.width * 0.13)} {n(view.height)}"
                      f"L{n(view.width / 2 + number * view.width * 0.13)} {n(view.height)}Z", view.tint(crop, 0.12), 0.85)  # fmt: skip
    return (
        sky(view),
        beyond(view) + far,
        field + snow_on_ground(view, view.horizon + 3 * unit) + lying(view, view.horizon + 3 * unit),
    )


BACKGROUND = Background(paint=_paint, horizon=0.55, ground="#7f7a3a")
