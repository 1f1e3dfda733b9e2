"""Mountain ranges behind a valley."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import conifer, grass, grass_colour, hill, mountain_range
from easel.engines.sketch.backgrounds.elements.season import lying
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("mountains")
    rise = view.horizon
    rock = dice.pick(("#6f7f99", "#7a7690", "#8a7a78", "#647f8f"))
    far = mountain_range(view, view.horizon, rise * 0.62, rock, 0.8, dice.named("far"), True)
    far += mountain_range(
        view, view.horizon + 2 * view.unit, rise * 0.44, lighter(rock, -0.06), 0.42, dice.named("near"), True
    )
    green = grass_colour(view)
    middle = hill(view, view.horizon + view.unit, 2 * view.unit, view.tint(lighter(green, -0.03), 0.45),
                  view.tint(lighter(green, -0.06), 0.2), dice)  # fmt: skip
    for _ in range(26):
        x = dice.between(0, 1) * view.width
        level = dice.between(0.03, 0.16)
        middle += conifer(
            view, x, view.down(level), (5 + 34 * level) * view.unit, "#35704f", 0.42, view.season == "winter"
        )
    near = hill(view, view.down(0.24), 1.8 * view.unit, view.tint(green, 0.1), view.tint(lighter(green, -0.12)), dice)
    near += grass(view, dice, view.down(0.32), 40, view.tint(lighter(green, -0.13)))
    return sky(view), far, middle, near + lying(view, view.down(0.3))


BACKGROUND = Background(paint=_paint, horizon=0.6, ground="#558f3f")
