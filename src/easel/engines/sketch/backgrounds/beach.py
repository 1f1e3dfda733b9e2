"""A sandy beach with the sea behind it."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.water import glitter, water
from easel.engines.sketch.painting.markup import down_gradient, ellipse, line, n, path, smooth


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("beach")
    shore = view.down(0.36)
    points = [(view.width * at / 4, shore + dice.between(-1.6, 1.6) * view.unit) for at in range(-1, 6)]
    edge = smooth(points)
    name = view.ids.next()
    below = f"L{n(points[-1][0])} {n(view.height)}L{n(points[0][0])} {n(view.height)}Z"
    wet = smooth([(x, y + 2.2 * view.unit) for x, y in points])
    sand = down_gradient(name, [(0, view.tint("#f2dba6", 0.1)), (1, view.tint("#e3bf7c"))])
    sand += path(edge + below, view.tint("#cfae77", 0.1)) + path(wet + below, f"url(#{name})")
    sand += line(edge, view.tint("#ffffff"), 1.1 * view.unit, 0.9)
    sand += line(smooth([(x, y - 1.7 * view.unit) for x, y in points]), view.tint("#ffffff"), 0.4 * view.unit, 0.55)
    for _ in range(60):
        y = view.down(dice.between(0.5, 1))
        sand += ellipse(
            dice.between(0, 1) * view.width, y, 0.25 * view.unit, 0.14 * view.unit, view.tint("#b98f52"), 0.6
        )
    sand += snow_on_ground(view, shore + 3 * view.unit) + lying(view, shore + 3 * view.unit)
    return sky(view), water(view, view.horizon, shore + 2 * view.unit) + glitter(view, view.horizon, shore), sand


BACKGROUND = Background(paint=_paint, horizon=0.5, near=0.92, water=0.615, ground="#b98f52")
