"""A country road that runs to the horizon."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.beyond import beyond
from easel.engines.sketch.backgrounds.elements.land import foliage, grass, grass_colour, hill, round_tree
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import polygon


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("road")
    green, unit = grass_colour(view), view.unit
    far = hill(view, view.horizon - 2 * unit, 3 * unit, view.tint(green, 0.8), view.tint(green, 0.5), dice)
    for _ in range(6):
        far += round_tree(
            view,
            dice.between(0, 1) * view.width,
            view.horizon + unit,
            dice.between(6, 11) * unit,
            foliage(view, dice),
            0.5,
            dice,
        )
    near = hill(
        view,
        view.horizon + unit,
        0.6 * unit,
        view.tint(lighter(green, 0.03), 0.3),
        view.tint(lighter(green, -0.1)),
        dice,
    )
    end = view.width * dice.between(0.42, 0.58)
    top, low = view.horizon + 1.2 * unit, view.height
    near += polygon([(end - 0.8 * unit, top), (end + 0.8 * unit, top), (view.width * 0.98, low), (view.width * 0.02, low)],
                    view.tint("#6d6f78"))  # fmt: skip
    for start in (0.04, 0.16, 0.36, 0.68):
        a, b = start, start + start * 0.45 + 0.03
        ya, yb = view.down(a), view.down(min(1, b))
        xa, xb = _middle(end, view, a), _middle(end, view, b)
        near += polygon([(xa - a * 1.6 * unit, ya), (xa + a * 1.6 * unit, ya), (xb + b * 1.6 * unit, yb), (xb - b * 1.6 * unit, yb)],
                        view.tint("#f4f1e2"))  # fmt: skip
    near += grass(view, dice, view.down(0.5), 0, view.tint(lighter(green, -0.12)))
    return (
        sky(view),
        beyond(view) or far,
        near + snow_on_ground(view, view.horizon + 2 * unit) + lying(view, view.horizon + 2 * unit),
    )


def _middle(end: float, view: View, level: float) -> float:
    return end + (view.width / 2 - end) * level


BACKGROUND = Background(paint=_paint, horizon=0.54, ground="#50525b")
