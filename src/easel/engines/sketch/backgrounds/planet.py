"""The ground of the moon, which is grey, of Mars, which is red, or of another planet, under a black sky."""

from typing import Final

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import hill
from easel.engines.sketch.backgrounds.space import BACKGROUND as SPACE
from easel.engines.sketch.painting.colour import NAMED, lighter, mix
from easel.engines.sketch.painting.markup import ellipse

KNOWN: Final = {"gray": "#a7a9b3", "red": "#c4623f"}
"""The ground of the moon and of Mars."""
GROUNDS: Final = ("#a7a9b3", "#c4764f", "#9a86b0", "#b5a58a")


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("surface")
    named = NAMED.get(view.colour or "")
    ground = KNOWN.get(view.colour or "") or (mix(named, "#8a8a92", 0.35) if named else dice.pick(GROUNDS))
    far = hill(view, view.horizon, 2.6 * view.unit, lighter(ground, -0.16), lighter(ground, -0.2), dice)
    near = hill(view, view.down(0.2), 1.6 * view.unit, lighter(ground, 0.03), lighter(ground, -0.12), dice, 3)
    for _ in range(11):
        level = dice.between(0.3, 0.98)
        x, wide = dice.between(0, 1) * view.width, view.unit * (2 + 7 * level) * dice.between(0.5, 1.2)
        near += ellipse(x, view.down(level), wide, wide * 0.26, lighter(ground, -0.14), 0.9)
        near += ellipse(x, view.down(level) + wide * 0.05, wide * 0.9, wide * 0.2, lighter(ground, -0.06))
    return (*SPACE.paint(view), far, near)


BACKGROUND = Background(paint=_paint, horizon=0.64, is_outdoors=False, ground="#55535f", is_dark=True)
