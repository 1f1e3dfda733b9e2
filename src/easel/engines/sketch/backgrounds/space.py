"""Space: stars, nebulae and a planet."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.painting.markup import circle, down_gradient, ellipse, rect, round_gradient

NEBULAE = (("#7a3fb5", "#2f6fd0"), ("#c2408f", "#4b3fb0"), ("#1f8fa8", "#5a3fb0"), ("#d0663f", "#7a3f8f"))
PLANETS = (("#c9663f", "#f4b183"), ("#3f6fb5", "#9fd0f0"), ("#7a4fa3", "#d3a6ea"), ("#4f8f7a", "#b8e6cf"))
EARTH = ("#2f6fc0", "#8fcdf2")
MOON_COLOUR = "gray"
"""The colour of the ground if it is the moon's, from which the Earth is seen."""


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("space")
    name = view.ids.next()
    back = down_gradient(name, [(0, "#070818"), (0.6, "#12123a"), (1, "#1b1440")])
    back += rect(0, 0, view.width, view.height, f"url(#{name})")
    for colour in dice.pick(NEBULAE):
        glow = view.ids.next()
        back += round_gradient(glow, [(0, colour, 0.5), (0.5, colour, 0.18), (1, colour, 0)])
        for _ in range(3):
            back += circle(
                dice.between(0, 1) * view.width,
                dice.between(0, 1) * view.height,
                dice.between(28, 55) * view.unit,
                f"url(#{glow})",
            )
    for _ in range(170):
        back += circle(dice.between(0, 1) * view.width, dice.between(0, 1) * view.height,
                       view.unit * dice.pick((0.1, 0.13, 0.18, 0.25, 0.36)), dice.pick(("#ffffff", "#ffe9c9", "#cfe0ff")),
                       dice.between(0.4, 1))  # fmt: skip
    return back, _planet(view)


def _planet(view: View) -> str:
    dice = view.dice.named("planet")
    low, high = EARTH if view.colour == MOON_COLOUR else dice.pick(PLANETS)
    x, y = view.width * dice.pick((0.16, 0.84)), view.height * dice.between(0.14, 0.26)
    radius = dice.between(9, 15) * view.unit
    name = view.ids.next()
    gradient = (
        f'<defs><radialGradient id="{name}" cx="0.35" cy="0.32" r="0.75"><stop offset="0" stop-color="{high}"/>'
        f'<stop offset="0.7" stop-color="{low}"/><stop offset="1" stop-color="#1a1233"/></radialGradient></defs>'
    )
    painted = gradient + circle(x, y, radius, f"url(#{name})")
    return painted + (_lands(x, y, radius) if view.colour == MOON_COLOUR else "")


def _lands(x: float, y: float, radius: float) -> str:
    """Lands and clouds of the Earth."""
    painted = ""
    for dx, dy, wide, tall in ((-0.36, -0.22, 0.36, 0.3), (0.3, -0.42, 0.3, 0.18), (0.16, 0.34, 0.24, 0.34)):
        painted += ellipse(x + dx * radius, y + dy * radius, wide * radius, tall * radius, "#5aa35a", 0.85)
    for dx, dy, wide in ((-0.1, 0.06, 0.5), (0.3, -0.14, 0.36), (-0.3, 0.5, 0.3)):
        painted += ellipse(x + dx * radius, y + dy * radius, wide * radius, 0.07 * radius, "#ffffff", 0.75)
    return painted


BACKGROUND = Background(
    paint=_paint, horizon=0.98, near=0.72, surface="air", is_outdoors=False, ground="#12123a", is_dark=True
)
