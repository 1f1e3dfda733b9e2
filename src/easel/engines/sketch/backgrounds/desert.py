"""Dunes, with the silhouettes of rocks far away."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import hill
from easel.engines.sketch.backgrounds.elements.season import snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import line, n, polygon


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("desert")
    sand = dice.pick(("#edc47e", "#e8b26a", "#f0d095"))
    far = ""
    for _ in range(2 + dice.below(2)):
        x, wide, tall = (
            dice.between(0, 1) * view.width,
            dice.between(9, 18) * view.unit,
            dice.between(6, 13) * view.unit,
        )
        base = view.horizon + 2 * view.unit
        far += polygon(
            [(x - wide, base), (x - wide * 0.7, base - tall), (x + wide * 0.5, base - tall), (x + wide * 0.62, base - tall * 0.5),
             (x + wide, base)],
            view.tint("#b5714a", 0.75),
        )  # fmt: skip
    far += hill(view, view.horizon, 2.6 * view.unit, view.tint(lighter(sand, 0.02), 0.6), view.tint(sand, 0.4), dice)
    near = hill(
        view,
        view.down(0.16),
        3 * view.unit,
        view.tint(lighter(sand, 0.03), 0.2),
        view.tint(lighter(sand, -0.06), 0.1),
        dice,
        3,
    )
    near += hill(
        view, view.down(0.42), 2.4 * view.unit, view.tint(lighter(sand, 0.01)), view.tint(lighter(sand, -0.1)), dice, 2
    )
    ripples = ""
    for _ in range(16):
        x, y = dice.between(-0.05, 0.95) * view.width, view.down(dice.between(0.55, 0.98))
        length = dice.between(8, 20) * view.unit
        ripples += f"M{n(x)} {n(y)}q{n(length / 4)} {n(-view.unit)} {n(length / 2)} 0t{n(length / 2)} 0"
    near += line(ripples, view.tint(lighter(sand, -0.1)), 0.3 * view.unit, 0.6)
    return sky(view), far, near + snow_on_ground(view, view.down(0.42))


BACKGROUND = Background(paint=_paint, horizon=0.56, ground="#b5834a")
