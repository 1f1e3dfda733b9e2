"""A river that winds out of the hills, with banks of grass."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.beyond import beyond
from easel.engines.sketch.backgrounds.elements.land import (
    flowers,
    foliage,
    grass,
    grass_colour,
    hill,
    mountain_range,
    round_tree,
)
from easel.engines.sketch.backgrounds.elements.season import lying
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.water import COLOURS
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import down_gradient, line, n, path


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("river")
    unit, green = view.unit, grass_colour(view)
    far = mountain_range(view, view.horizon + unit, view.horizon * 0.34, "#7f92a8", 0.8, dice.named("range"), False)
    far += hill(view, view.horizon, 2 * unit, view.tint(green, 0.6), view.tint(green, 0.4), dice)
    for _ in range(10):
        far += round_tree(
            view,
            dice.between(0, 1) * view.width,
            view.horizon + 2 * unit,
            dice.between(8, 14) * unit,
            foliage(view, dice),
            0.45,
            dice,
        )
    bank = hill(
        view,
        view.horizon + 2 * unit,
        0.5 * unit,
        view.tint(lighter(green, 0.03), 0.25),
        view.tint(lighter(green, -0.1)),
        dice,
    )
    start = view.width * dice.between(0.4, 0.6)
    w, low, name = view.width, view.height, view.ids.next()
    top, _, deep = COLOURS[view.time]
    bank += down_gradient(name, [(0, top), (1, deep)])
    shape = (
        f"M{n(start - 2 * unit)} {n(view.horizon + 2.4 * unit)}C{n(start + 12 * unit)} {n(view.down(0.25))} {n(w * 0.02)} {n(view.down(0.3))}"
        f" {n(w * 0.16)} {n(view.down(0.55))}S{n(w * 0.3)} {n(view.down(0.9))} {n(w * 0.22)} {n(low)}H{n(w * 1.02)}"
        f"C{n(w * 1.02)} {n(view.down(0.7))} {n(w * 0.62)} {n(view.down(0.45))} {n(w * 0.7)} {n(view.down(0.28))}"
        f"S{n(start + 14 * unit)} {n(view.down(0.14))} {n(start + 2 * unit)} {n(view.horizon + 2.4 * unit)}Z"
    )
    bank += path(shape, f"url(#{name})")
    data = ""
    for _ in range(24):
        level = dice.between(0.5, 1)
        x = w * dice.between(0.28, 0.8)
        data += f"M{n(x)} {n(view.down(level))}q{n(2 * unit)} {n(-unit * 0.6)} {n(4 * unit)} 0t{n(4 * unit)} 0"
    bank += line(data, "#ffffff", 0.3 * unit, 0.45)
    front = hill(
        view, view.down(0.74), 1.4 * unit, view.tint(lighter(green, 0.02)), view.tint(lighter(green, -0.12)), dice, 3
    )
    front += grass(view, dice, view.down(0.8), 34, view.tint(lighter(green, -0.14)))
    return (
        sky(view),
        beyond(view) or far,
        bank,
        front + flowers(view, dice, view.down(0.84), 14) + lying(view, view.down(0.8)),
    )


BACKGROUND = Background(paint=_paint, horizon=0.52, near=0.94, water=0.75, ground="#558f3f")
