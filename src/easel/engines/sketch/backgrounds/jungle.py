"""A clearing in a tropical forest: palms, broad leaves and vines."""

import math
from typing import Final

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import bush, grass, hill
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, line, n, path

GREENS: Final = ("#2f8a4a", "#3c9c4f", "#23774a", "#55a84a")
GROUND: Final = "#4f9a44"


def _paint(view: View) -> tuple[str, ...]:
    dice, unit = view.dice.named("jungle"), view.unit
    far = "".join(_thicket(view, dice, 34 * unit - 9 * unit * row, 0.95 - 0.35 * row) for row in range(2))
    for _ in range(5):
        far += _palm(
            view, dice, dice.between(0, 1) * view.width, view.horizon + 2 * unit, dice.between(30, 44) * unit, 0.6
        )
    middle = hill(
        view, view.horizon + 2 * unit, 1.3 * unit, view.tint(GROUND, 0.35), view.tint(lighter(GROUND, -0.12)), dice
    )
    for side in (dice.between(0.0, 0.08), dice.between(0.92, 1.0), dice.between(0.14, 0.22), dice.between(0.78, 0.86)):
        middle += _palm(view, dice, side * view.width, view.down(0.2), dice.between(52, 66) * unit, 0.15)
    near = "".join(
        bush(view, x * view.width, view.down(0.26), dice.between(12, 20) * unit, dice.pick(GREENS), 0.1)
        for x in (dice.between(-0.03, 0.14), dice.between(0.86, 1.03))
    )
    near += snow_on_ground(view, view.down(0.14)) + grass(
        view, dice, view.down(0.28), 60, view.tint(lighter(GROUND, -0.16))
    )
    for x in (-0.02, 0.08, 0.92, 1.02):
        near += _leaves(view, dice, x * view.width, view.height + unit, dice.between(15, 22) * unit)
    return sky(view), far, middle, near + _vines(view, dice) + lying(view, view.down(0.3))


def _thicket(view: View, dice: Dice, tall: float, depth: float) -> str:
    """A wall of leaves behind the clearing."""
    painted, x = "", -0.05 * view.width
    while x < 1.05 * view.width:
        radius = tall * dice.between(0.3, 0.5)
        y = view.horizon - dice.between(0.15, 0.75) * tall
        colour = view.tint(dice.pick(GREENS), depth)
        painted += circle(x, y, radius, colour) + circle(x, view.horizon - radius * 0.3, radius * 0.8, colour)
        x += radius * 0.8
    return painted


def _palm(view: View, dice: Dice, x: float, base: float, tall: float, depth: float) -> str:
    """A palm whose trunk bends, with its fronds."""
    bend = dice.between(-0.16, 0.16) * tall
    top_x, top_y, wide = x + bend, base - tall, 0.05 * tall
    painted = line(
        f"M{n(x)} {n(base)}Q{n(x)} {n(base - tall * 0.6)} {n(top_x)} {n(top_y)}", view.tint("#8a6a45", depth), wide
    )
    colour = dice.pick(GREENS)
    for number in range(8):
        angle = math.pi * (0.06 + 0.88 * number / 7)
        reach = tall * dice.between(0.36, 0.46)
        end_x, end_y = top_x - reach * math.cos(angle), top_y - reach * 0.3 * math.sin(angle) + reach * 0.42
        shape = (
            f"M{n(top_x)} {n(top_y)}Q{n((top_x + end_x) / 2)} {n(top_y - reach * (0.2 + 0.5 * math.sin(angle)))} {n(end_x)} {n(end_y)}"
            f"Q{n((top_x + end_x) / 2)} {n(top_y - reach * (0.5 * math.sin(angle) - 0.12))} {n(top_x)} {n(top_y)}Z"
        )
        painted += path(shape, view.tint(lighter(colour, 0.03 * (number % 3 - 1)), depth))
    return painted


def _leaves(view: View, dice: Dice, x: float, y: float, tall: float) -> str:
    """Broad leaves that grow into the picture from below."""
    painted, colour = "", dice.pick(GREENS)
    for turn in (-58, -30, 0, 30, 58):
        long = tall * dice.between(0.8, 1.1)
        shape = (
            f"M0 0C{n(-0.26 * long)} {n(-0.3 * long)} {n(-0.2 * long)} {n(-0.75 * long)} 0 {n(-long)}"
            f"C{n(0.2 * long)} {n(-0.75 * long)} {n(0.26 * long)} {n(-0.3 * long)} 0 0Z"
        )
        leaf = path(shape, view.tint(lighter(colour, dice.between(-0.05, 0.04))))
        leaf += line(f"M0 0L0 {n(-0.9 * long)}", view.tint(lighter(colour, 0.09)), 0.35 * view.unit, 0.7)
        painted += f'<g transform="translate({n(x)} {n(y)}) rotate({turn})">{leaf}</g>'
    return painted


def _vines(view: View, dice: Dice) -> str:
    """Vines that hang from above at both sides."""
    data = ""
    for _ in range(7):
        x = dice.pick((dice.between(0.0, 0.24), dice.between(0.76, 1.0))) * view.width
        long, sway = dice.between(0.12, 0.34) * view.height, dice.between(-3, 3) * view.unit
        data += f"M{n(x)} 0Q{n(x + sway)} {n(long * 0.6)} {n(x + sway * 0.4)} {n(long)}"
    return line(data, view.tint("#3f7f3a", 0.1), 0.7 * view.unit)


BACKGROUND = Background(paint=_paint, horizon=0.62, ground="#467f3a")
