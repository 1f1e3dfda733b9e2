"""What a season leaves on the ground, on roofs and in the air: leaves, petals and snow."""

from typing import Final

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import mix
from easel.engines.sketch.painting.markup import Point, ellipse, n, path, polygon, rect, smooth

LEAVES: Final = ("#d9822b", "#c4512c", "#e2ad3b", "#a8642a")
PETALS: Final = ("#fbd3e0", "#f7b6cb", "#ffe6ee")
LYING: Final = 46
IN_THE_AIR: Final = 20
SNOW: Final = "#f6fafd"


BRIGHT: Final = {"night": ("#dbe6ff", 0.34), "sunset": ("#fff0f4", 0.42), "dawn": ("#fff6f4", 0.36)}
"""What snow is mixed with, and how far, so that it looks white at these times."""


def of_snow(view: View, colour: str, depth: float = 0.0) -> str:
    """The colour of snow, which stays bright at night and when the sun is low."""
    tinted = view.tint(colour, depth)
    return mix(tinted, *BRIGHT[view.time]) if view.time in BRIGHT else tinted


def is_winter(view: View) -> bool:
    """Whether snow lies."""
    return view.season == "winter" or view.weather == "snowfall"


def lying(view: View, top: float) -> str:
    """Leaves or petals on the ground between `top` and the lower edge of the picture."""
    if view.season not in ("autumn", "spring") or is_winter(view):
        return ""
    dice, painted = view.dice.named("lying"), ""
    for _ in range(LYING):
        y = top + (view.height - top) * dice.between(0.02, 1)
        near = (y - view.horizon) / max(1.0, view.height - view.horizon)
        size = view.unit * (0.35 + 0.75 * near)
        x, turn = dice.between(0, view.width), dice.between(0, 180)
        painted += (
            _leaf(view, x, y, size, turn, dice) if view.season == "autumn" else _petal(view, x, y, size, turn, dice)
        )
    return painted


def in_the_air(view: View) -> str:
    """Leaves or petals that fall before everything, unless something else falls."""
    if view.season not in ("autumn", "spring") or view.weather not in (None, "clear", "cloudy"):
        return ""
    dice, painted = view.dice.named("season"), ""
    for _ in range(IN_THE_AIR):
        x, y = dice.between(0, view.width), dice.between(0, view.height * 0.92)
        size, turn = view.unit * dice.between(0.6, 1.3), dice.between(0, 360)
        painted += (
            _leaf(view, x, y, size, turn, dice) if view.season == "autumn" else _petal(view, x, y, size, turn, dice)
        )
    return painted


def snow_on_ground(view: View, top: float) -> str:
    """Snow that lies on streets, squares and sand, uneven where it begins."""
    if not is_winter(view):
        return ""
    dice = view.dice.named("snow on the ground")
    edge: list[Point] = [(view.width * at / 6, top + dice.between(-0.5, 0.5) * view.unit) for at in range(-1, 8)]
    shape = smooth(edge) + f"L{n(view.width * 1.2)} {n(view.height)}L{n(-view.width * 0.2)} {n(view.height)}Z"
    painted = path(shape, of_snow(view, SNOW), 0.82)
    for _ in range(14):
        level = dice.between(0.15, 1)
        y, wide = top + (view.height - top) * level, view.unit * (3 + 8 * level) * dice.between(0.6, 1.2)
        painted += ellipse(dice.between(0, view.width), y, wide, wide * 0.14, of_snow(view, "#c9d9e6"), 0.55)
    return painted


def snow_on_roof(view: View, left: Point, top: Point, right: Point, depth: float) -> str:
    """Snow on a pitched roof."""
    if not is_winter(view):
        return ""
    low = 0.62
    a = left[0] + (top[0] - left[0]) * (1 - low), left[1] + (top[1] - left[1]) * (1 - low)
    b = right[0] + (top[0] - right[0]) * (1 - low), right[1] + (top[1] - right[1]) * (1 - low)
    third = (b[0] - a[0]) / 3
    dip = abs(top[1] - left[1]) * 0.14
    edge = [a, (a[0] + 0.5 * third, a[1] - dip), (a[0] + third, a[1] + dip), (a[0] + 2 * third, a[1] - dip), b]
    return polygon([top, *edge], of_snow(view, SNOW, depth))


def snow_on_top(view: View, x: float, y: float, wide: float, depth: float) -> str:
    """Snow on a flat roof whose upper edge is at `y`."""
    if not is_winter(view):
        return ""
    tall = min(0.9 * view.unit, wide * 0.1)
    return rect(x - wide * 0.01, y - tall * 0.7, wide * 1.02, tall * 1.4, of_snow(view, SNOW, depth), tall * 0.6)


def _leaf(view: View, x: float, y: float, size: float, turn: float, dice: Dice) -> str:
    half, wide, narrow = size * 0.5, size * 0.8, size * 0.6
    shape = (
        f"M0 {n(-size)}C{n(wide)} {n(-half)} {n(narrow)} {n(half)} 0 {n(size)}"
        f"C{n(-narrow)} {n(half)} {n(-wide)} {n(-half)} 0 {n(-size)}Z"
    )
    leaf = path(shape, view.tint(dice.pick(LEAVES)), 0.95)
    return f'<g transform="translate({n(x)} {n(y)}) rotate({n(turn)})">{leaf}</g>'


def _petal(view: View, x: float, y: float, size: float, turn: float, dice: Dice) -> str:
    petal = ellipse(0, 0, size * 0.75, size * 0.45, view.tint(dice.pick(PETALS)), 0.95)
    return f'<g transform="translate({n(x)} {n(y)}) rotate({n(turn)})">{petal}</g>'
