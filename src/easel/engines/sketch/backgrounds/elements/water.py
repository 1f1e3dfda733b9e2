"""Water seen from above: sea, river and pond."""

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.painting.colour import mix
from easel.engines.sketch.painting.markup import down_gradient, line, n, rect

COLOURS = {
    "day": ("#7fcbe8", "#2f9ad0", "#1c6fb4"), "dawn": ("#f3c9c0", "#8fb3cf", "#4f83ad"),
    "sunset": ("#ffb27a", "#b06a8e", "#4a3f7e"), "night": ("#3a5390", "#1b3268", "#0d1c45"),
}  # fmt: skip


def water(view: View, top: float, bottom: float) -> str:
    """Water between two heights, paler when farther."""
    far, middle, near = COLOURS[view.time]
    if view.weather in ("rain", "storm", "fog", "cloudy", "snowfall"):
        far, middle, near = (mix(colour, "#6b7d8c", 0.5) for colour in (far, middle, near))
    name = view.ids.next()
    painted = down_gradient(name, [(0, far), (0.35, middle), (1, near)])
    return painted + rect(0, top, view.width, bottom - top, f"url(#{name})")


def glitter(view: View, top: float, bottom: float) -> str:
    """Waves as short bright lines, longer when nearer."""
    dice = view.dice.named("waves")
    data = ""
    for _ in range(70):
        near = dice.between(0, 1) ** 1.4
        y = top + (bottom - top) * (0.02 + 0.96 * near)
        length = view.unit * (1.5 + 7 * near) * dice.between(0.6, 1.3)
        x = dice.between(-0.05, 1) * view.width
        dip = view.unit * (0.15 + 0.8 * near)
        data += f"M{n(x)} {n(y)}q{n(length / 4)} {n(-dip)} {n(length / 2)} 0t{n(length / 2)} 0"
    bright = {"day": "#e6f8ff", "dawn": "#fff3e6", "sunset": "#ffe0b0", "night": "#8fa9e6"}[view.time]
    return line(data, bright, 0.3 * view.unit, 0.5)
