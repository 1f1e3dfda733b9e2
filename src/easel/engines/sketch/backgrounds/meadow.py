"""Rolling meadows with trees far away and flowers near."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.beyond import beyond
from easel.engines.sketch.backgrounds.elements.land import (
    bush,
    flowers,
    foliage,
    grass,
    grass_colour,
    hill,
    round_tree,
)  # fmt: skip
from easel.engines.sketch.backgrounds.elements.season import lying
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("meadow")
    green = grass_colour(view)
    far = hill(view, view.horizon - 3 * view.unit, 3.5 * view.unit, view.tint(lighter(green, 0.02), 0.85),
               view.tint(green, 0.6), dice)  # fmt: skip
    far += hill(view, view.horizon + 1.5 * view.unit, 2.5 * view.unit, view.tint(lighter(green, 0.04), 0.5),
                view.tint(green, 0.4), dice)  # fmt: skip
    for _ in range(3 + dice.below(4)):
        x = dice.between(0.02, 0.98) * view.width
        far += round_tree(
            view, x, view.horizon + 2 * view.unit, dice.between(7, 12) * view.unit, foliage(view, dice), 0.5, dice
        )
    near = hill(view, view.down(0.2), 1.6 * view.unit, view.tint(lighter(green, 0.05), 0.12), view.tint(lighter(green, -0.1)),
                dice)  # fmt: skip
    for x in (dice.between(-0.02, 0.12), dice.between(0.88, 1.02)):
        near += bush(view, x * view.width, view.down(0.28), dice.between(12, 18) * view.unit, foliage(view, dice), 0.15)
    near += grass(view, dice, view.down(0.3), 46, view.tint(lighter(green, -0.12)))
    if view.season != "winter" and view.weather != "snowfall":
        near += flowers(view, dice, view.down(0.35), 26)
    return sky(view), beyond(view) + far, near + lying(view, view.down(0.3))


BACKGROUND = Background(paint=_paint, horizon=0.58, ground="#5f9e45")
