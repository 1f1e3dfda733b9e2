"""High in the air, with clouds below."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.sky import cloud, sky


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("below")
    white = {"day": "#ffffff", "dawn": "#fff0e6", "sunset": "#ffdcc4", "night": "#6474aa"}[view.time]
    shade = {"day": "#cfe3f3", "dawn": "#f0c8c6", "sunset": "#de8f92", "night": "#3b4980"}[view.time]
    bank = ""
    for row in range(3):
        count = 4
        for number in range(count):
            x = view.width * (number + dice.between(0, 1)) / count
            y = view.height * (0.9 + 0.07 * row)
            bank += cloud(view, x, y, view.unit * dice.between(11, 17), white, shade, dice, 0.9)
    return sky(view), bank


BACKGROUND = Background(paint=_paint, horizon=0.98, near=0.7, surface="air", ground="#cfe3f3")
