"""Snowy hills with fir trees."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import conifer, hill, mountain_range
from easel.engines.sketch.backgrounds.elements.season import of_snow
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.markup import ellipse


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("snow")
    far = mountain_range(view, view.horizon + view.unit, view.horizon * 0.36, "#8fa5bf", 0.7, dice.named("range"), True)
    far += hill(view, view.horizon, 2 * view.unit, of_snow(view, "#eef5fa", 0.5), of_snow(view, "#dce8f1", 0.3), dice)
    for _ in range(14):
        level = dice.between(0.0, 0.12)
        far += conifer(
            view, dice.between(0, 1) * view.width, view.down(level), (8 + 60 * level) * view.unit, "#3f7060", 0.4, True
        )
    near = hill(view, view.down(0.2), 2 * view.unit, of_snow(view, "#fbfdff"), of_snow(view, "#d3e1ee"), dice, 3)
    for _ in range(12):
        near += ellipse(dice.between(0, 1) * view.width, view.down(dice.between(0.35, 1)), dice.between(3, 9) * view.unit,
                        dice.between(0.3, 0.8) * view.unit, of_snow(view, "#c3d5e6"), 0.5)  # fmt: skip
    return sky(view), far, near


BACKGROUND = Background(paint=_paint, horizon=0.58, ground="#9fb6cc")
