"""The sky of every time and weather: its colours, sun, moon, stars, clouds, rain and snow."""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import mix
from easel.engines.sketch.painting.markup import circle, down_gradient, line, n, path, rect, round_gradient

SKIES: Final = {
    "day": (("#3f9bf0", "#8fd0fb", "#e3f5ff"), ("#57b0f2", "#a6dcf8", "#f3f9f2"), ("#2f86e0", "#79bff5", "#d7eefe")),
    "dawn": (("#7d9fd9", "#f3c2c8", "#ffe6c7"), ("#8a86cf", "#f2a9b5", "#ffd9ae"), ("#9cc0e6", "#f9d3c8", "#fff0d2")),
    "sunset": (("#493a8c", "#e2688f", "#ffb765"), ("#3b4a9e", "#f0856b", "#ffd27a"), ("#6a3b86", "#f06a66", "#ffc46e")),
    "night": (("#070f30", "#1a2a63", "#40508f"), ("#0a1030", "#27265e", "#5a4a86"), ("#04142b", "#12385e", "#2f6a86")),
}  # fmt: skip
GREY_SKIES: Final = {
    "day": ("#8b9bab", "#b3bfca", "#d8dfe4"), "dawn": ("#9a9aad", "#c9b8bd", "#e6d6cd"),
    "sunset": ("#5c5470", "#a37f83", "#d3a583"), "night": ("#10162a", "#232c48", "#3b4763"),
}  # fmt: skip
GREY: Final = {"rain": 0.85, "storm": 0.95, "fog": 0.8, "snowfall": 0.75, "cloudy": 0.7}


def sky(view: View, bottom: float | None = None) -> str:
    """The sky down to `bottom` (by default a little below the horizon), with what is in it."""
    bottom = view.height if bottom is None else bottom
    dice = view.dice.named("sky")
    grey = GREY.get(view.weather or "", 0.0)
    stops = clouded(view, dice.pick(SKIES[view.time]))
    name = view.ids.next()
    end = min(bottom, view.horizon + 4 * view.unit)
    painted = down_gradient(name, [(0, stops[0]), (0.55, stops[1]), (1, stops[2])])
    painted += rect(0, 0, view.width, end, f"url(#{name})")
    if bottom > end:
        painted += rect(0, end - 1, view.width, bottom - end + 1, stops[2])
    return painted + _lights(view, dice.named("lights"), grey) + _clouds(view, dice.named("clouds"), grey)


def clouded(view: View, colours: Sequence[str]) -> list[str]:
    """The colours of a clear sky as the weather has them."""
    grey = GREY.get(view.weather or "", 0.0)
    stops = [mix(own, dull, grey) for own, dull in zip(colours, GREY_SKIES[view.time], strict=True)]
    return [mix(stop, "#2b3040", 0.45) for stop in stops] if view.weather == "storm" else stops


def _lights(view: View, dice: Dice, grey: float) -> str:
    """Stars, and the sun or the moon where the weather lets them be seen, unless the prompt has its own."""
    painted = ""
    if view.time == "night" and grey < 0.6:
        for _ in range(110):
            x, y = dice.between(0, view.width), dice.between(0, view.horizon * 0.95)
            radius = view.unit * dice.pick((0.1, 0.13, 0.16, 0.2, 0.3))
            painted += circle(x, y, radius, "#ffffff", dice.between(0.35, 0.95))
    if grey >= 0.7 or view.has_sun_or_moon:
        return painted
    side = dice.pick((0.17, 0.83)) + dice.between(-0.07, 0.07)
    x = view.width * side
    if view.time in ("dawn", "sunset"):
        return painted + _sun(view, x, view.horizon * dice.between(0.72, 0.9), 1.15, "#fff1c4", "#ffb45a")
    if view.time == "day":
        return painted + _sun(view, x, view.horizon * dice.between(0.2, 0.34), 0.85, "#fffbe0", "#fff2a8")
    return painted + _moon(view, x, view.horizon * dice.between(0.2, 0.4), dice)


def _sun(view: View, x: float, y: float, size: float, core: str, glow: str) -> str:
    radius = 6.2 * size * view.unit
    name = view.ids.next()
    halo = round_gradient(name, [(0, glow, 0.85), (0.25, glow, 0.45), (1, glow, 0)])
    return halo + circle(x, y, radius * 4.2, f"url(#{name})") + circle(x, y, radius, core)


def _moon(view: View, x: float, y: float, dice: Dice) -> str:
    radius = 5.6 * view.unit
    name = view.ids.next()
    halo = round_gradient(name, [(0, "#dfe8ff", 0.5), (0.35, "#aebfff", 0.16), (1, "#aebfff", 0)])
    painted = halo + circle(x, y, radius * 4, f"url(#{name})")
    if dice.chance(0.4):
        r = n(radius)
        inner = n(radius * 0.8)
        return painted + path(
            f"M{n(x)} {n(y - radius)}A{r} {r} 0 1 0 {n(x)} {n(y + radius)}A{inner} {r} 0 0 1 {n(x)} {n(y - radius)}Z",
            "#fbf3d4",
        )
    painted += circle(x, y, radius, "#f6efd2")
    for dx, dy, size in ((-0.35, -0.25, 0.22), (0.3, 0.1, 0.28), (-0.1, 0.45, 0.16), (0.25, -0.45, 0.12)):
        painted += circle(x + dx * radius, y + dy * radius, size * radius, "#ded3ae", 0.6)
    return painted


def _clouds(view: View, dice: Dice, grey: float) -> str:
    count = 3 + dice.below(3) + (4 if grey else 0)
    white = {"day": "#ffffff", "dawn": "#fff0ea", "sunset": "#ffd9c2", "night": "#5b6a9e"}[view.time]
    shade = {"day": "#d3e4f2", "dawn": "#eec9c9", "sunset": "#d98f95", "night": "#35427a"}[view.time]
    if grey:
        white, shade = mix(white, "#8f99a5", grey * 0.7), mix(shade, "#6d7783", grey * 0.7)
    painted = ""
    for number in range(count):
        depth = number / count
        y = view.horizon * (0.12 + 0.62 * dice.between(0, 1) ** 1.3)
        x = view.width * ((number + dice.between(0.1, 0.9)) / count)
        size = view.unit * dice.between(7, 13) * (1.1 - 0.6 * y / view.horizon) * (1.3 if grey else 1)
        painted += cloud(view, x, y, size, white, shade, dice, 0.95 - 0.25 * depth)
    return painted


def cloud(view: View, x: float, y: float, size: float, white: str, shade: str, dice: Dice, opacity: float) -> str:
    """A cloud with a flat base at `y`, about four `size` wide."""
    name = view.ids.next()
    defined = (
        f'<defs><linearGradient id="{name}" gradientUnits="userSpaceOnUse" x1="0" y1="{n(y - size)}" x2="0"'
        f' y2="{n(y + 0.1 * size)}"><stop offset="0" stop-color="{white}"/><stop offset="1" stop-color="{shade}"/>'
        "</linearGradient></defs>"
    )
    shapes = [(0.0, 0.55 + dice.between(0, 0.2)), (-0.85, 0.42), (0.8, 0.46), (-1.5, 0.26), (1.45, 0.28)]
    parts = "".join(circle(x + dx * size, y - radius * size, radius * size, f"url(#{name})") for dx, radius in shapes)
    base = rect(x - 1.75 * size, y - 0.36 * size, 3.48 * size, 0.36 * size, f"url(#{name})", 0.18 * size)
    return f'{defined}<g opacity="{n(opacity)}">{parts}{base}</g>'


def falling(view: View) -> str:
    """Rain, snow, fog or lightning before everything."""
    dice = view.dice.named("falling")
    if view.weather in ("rain", "storm"):
        return _rain(view, dice)
    if view.weather == "snowfall":
        return "".join(
            circle(dice.between(0, view.width), dice.between(0, view.height), view.unit * dice.between(0.25, 0.95),
                   "#ffffff", dice.between(0.6, 0.95))
            for _ in range(170)
        )  # fmt: skip
    if view.weather == "fog":
        return "".join(_fog(view, dice, level) for level in (0.35, 0.5, 0.64, 0.8))
    return ""


def _rain(view: View, dice: Dice) -> str:
    data = ""
    for _ in range(150):
        x, y = dice.between(-0.1, 1.05) * view.width, dice.between(-0.05, 1) * view.height
        length = view.unit * dice.between(2.5, 5)
        data += f"M{n(x)} {n(y)}l{n(length * 0.22)} {n(length)}"
    return line(data, "#e6f2ff", 0.28 * view.unit, 0.55)


def _fog(view: View, dice: Dice, level: float) -> str:
    name = view.ids.next()
    halo = round_gradient(name, [(0, view.light.haze, 0.55), (1, view.light.haze, 0)])
    parts = "".join(
        f'<ellipse cx="{n(dice.between(0, 1) * view.width)}" cy="{n(level * view.height)}" rx="{n(0.6 * view.width)}"'
        f' ry="{n(0.13 * view.height)}" fill="url(#{name})"/>'
        for _ in range(2)
    )
    return halo + parts
