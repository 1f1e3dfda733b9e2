"""A street of town houses with a pavement in front."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import flat_ground, foliage, round_tree
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.town import house
from easel.engines.sketch.painting.markup import line, n, rect

WALLS = ("#e8c9a4", "#d9b3a0", "#c9d3c0", "#b9cbd9", "#e6dcc8", "#d9a58a", "#c7bcd6")


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("street")
    unit = view.unit
    base = view.horizon + unit
    houses, x = "", -6.0 * unit
    while x < view.width:
        wide = dice.between(17, 24) * unit
        houses += house(view, dice, x, base, wide, dice.between(1.0, 1.75) * wide, dice.pick(WALLS), 0.18)
        x += wide * 1.02
    for _ in range(3):
        houses += round_tree(
            view,
            dice.between(0, 1) * view.width,
            base + unit,
            dice.between(15, 20) * unit,
            foliage(view, dice),
            0.1,
            dice,
        )
    kerb = view.down(0.26)
    ground = rect(0, base, view.width, kerb - base, view.tint("#c3c0bb", 0.1))
    ground += rect(0, kerb, view.width, 0.9 * unit, view.tint("#98969a"))
    road = flat_ground(view, view.tint("#74767f"), view.tint("#5a5c66"), kerb + 0.9 * unit)
    dashes = "".join(
        f"M{n(start * view.width)} {n(view.down(0.6))}h{n(view.width * 0.08)}"
        for start in (0.02, 0.2, 0.38, 0.56, 0.74, 0.92)
    )
    road += line(dashes, view.tint("#f1efe4"), 1.1 * unit, 0.9)
    return sky(view), houses, ground + road + snow_on_ground(view, base) + lying(view, base)


BACKGROUND = Background(paint=_paint, horizon=0.6, ground="#4a4c55")
