"""A greenhouse from inside: a roof and walls of glass, and plants on both sides of a path."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import bush, foliage, grass_colour, hill, round_tree
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, line, n, path, polygon, rect

FRAME = "#f4f8f7"
LEAVES = ("#3f9a4c", "#55ad52", "#2f8a5a", "#7abf57")
FRUIT = ("#e5483f", "#f2a93b", "#f58fb8", "#8a5fc0")


def _paint(view: View) -> tuple[str, ...]:
    dice, unit = view.dice.named("greenhouse"), view.unit
    outside = hill(view, view.horizon - 4 * unit, 2 * unit, view.tint(grass_colour(view), 0.6), "#9fc78a", dice)
    for _ in range(6):
        x, tall = dice.between(0, 1) * view.width, dice.between(10, 18) * unit
        outside += round_tree(view, x, view.horizon - 2 * unit, tall, foliage(view, dice), 0.6, dice)
    ground = _floor(view)
    for level, size in ((0.04, 0.62), (0.26, 0.82), (0.58, 1.08)):
        for side in (-1, 1):
            ground += _bed(view, dice, side, level, size)
    return sky(view), outside + _glass(view), ground


def _glass(view: View) -> str:
    """Panes behind which it is paler, and the frame that holds them."""
    w, low, unit = view.width, view.horizon + view.unit, view.unit
    eaves, ridge = 0.34 * view.horizon, -0.22 * view.horizon
    left, right = 0.27 * w, 0.73 * w
    painted = rect(0, 0, w, low, "#e9fbf6", opacity=0.24)
    bars = f"M{n(left)} {n(eaves)}H{n(right)}M{n(left)} {n(low)}V{n(eaves)}L{n(w / 2)} {n(0.06 * view.horizon)}L{n(right)} {n(eaves)}V{n(low)}"
    for share in (0.25, 0.5, 0.75):
        x = left + (right - left) * share
        bars += f"M{n(x)} {n(low)}V{n(eaves - (0.28 * view.horizon) * (1 - abs(2 * share - 1)))}"
    bars += f"M{n(left)} {n(0.67 * view.horizon)}H{n(right)}"
    for share in (0.0, 0.33, 0.66):
        x = left * share
        top = eaves + (ridge - eaves) * (1 - share) * 0.6
        bars += f"M{n(x)} {n(low)}V{n(top)}M{n(w - x)} {n(low)}V{n(top)}"
    for y in (eaves, 0.67 * view.horizon):
        out = y + (y - 0.6 * view.horizon) * 0.5
        bars += f"M{n(left)} {n(y)}L0 {n(out)}M{n(right)} {n(y)}L{n(w)} {n(out)}"
    bars += f"M{n(w / 2)} {n(0.06 * view.horizon)}L{n(w / 2)} {n(-unit)}M{n(left)} {n(eaves)}L{n(0.1 * w)} 0M{n(right)} {n(eaves)}L{n(0.9 * w)} 0"
    return painted + line(bars, FRAME, 1.1 * unit) + _sheen(view)


def _sheen(view: View) -> str:
    """Light on the glass."""
    painted = ""
    for share in (0.34, 0.58):
        x, wide, low = share * view.width, 0.05 * view.width, 0.64 * view.horizon
        shape = [
            (x, low),
            (x + wide, low),
            (x + 2.4 * wide, 0.38 * view.horizon),
            (x + 1.4 * wide, 0.38 * view.horizon),
        ]
        painted += polygon(shape, "#ffffff", 0.28)
    return painted


def _floor(view: View) -> str:
    """Soil, and a path of stone down the middle."""
    w, low = view.width, view.height
    painted = rect(0, view.horizon, w, low - view.horizon, "#7d5b40")
    painted += polygon(
        [(0.42 * w, view.horizon), (0.58 * w, view.horizon), (0.86 * w, low), (0.14 * w, low)], "#d9cdb8"
    )
    joints = ""
    for level in (0.08, 0.2, 0.38, 0.62, 0.9):
        half = (0.08 + 0.28 * level) * w
        joints += f"M{n(w / 2 - half)} {n(view.down(level))}H{n(w / 2 + half)}"
    return painted + line(joints, "#c2b49c", 0.4 * view.unit)


def _bed(view: View, dice: Dice, side: int, level: float, size: float) -> str:
    """A bed of plants at one side, with tall ones that bear fruit behind."""
    unit, base = view.unit, view.down(level + 0.1)
    inner = view.width / 2 + side * (0.11 + 0.3 * level) * view.width
    outer = view.width / 2 + side * 0.56 * view.width
    painted = ""
    for _ in range(4):
        x, tall = inner + (outer - inner) * dice.between(0.1, 0.9), dice.between(17, 26) * unit * size
        painted += _vine(view, dice, x, base - unit, tall)
    for number in range(4):
        x = inner + (outer - inner) * (number + 0.6) / 4
        painted += bush(view, x, base, dice.between(11, 15) * unit * size, dice.pick(LEAVES), 0.0)
    left, right = min(inner, outer), max(inner, outer)
    board = 3.4 * unit * size
    painted += rect(left, base - 0.6 * board, right - left, board, "#a8714a", 0.4 * unit)
    return painted + rect(left, base - 0.6 * board, right - left, 0.24 * board, "#c08a5c", 0.3 * unit)


def _vine(view: View, dice: Dice, x: float, base: float, tall: float) -> str:
    """A plant on a pole, with leaves at its sides and fruit."""
    colour, fruit = dice.pick(LEAVES), dice.pick(FRUIT)
    painted = line(f"M{n(x)} {n(base)}V{n(base - tall)}", lighter(colour, -0.14), 0.5 * view.unit)
    for number in range(7):
        y, wide = base - tall * (number + 1.2) / 8, tall * (0.2 - 0.013 * number)
        for side in (-1, 1):
            end = x + side * wide
            leaf = f"M{n(x)} {n(y)}Q{n(x + side * wide * 0.4)} {n(y - wide * 0.75)} {n(end)} {n(y - wide * 0.25)}Q{n(x + side * wide * 0.5)} {n(y + wide * 0.3)} {n(x)} {n(y)}Z"
            painted += path(leaf, lighter(colour, 0.03 * (number % 2)))
        if number % 2:
            painted += circle(x + dice.pick((-1, 1)) * wide * 0.45, y + 0.3 * wide, 0.055 * tall, fruit)
    return painted


BACKGROUND = Background(paint=_paint, horizon=0.6, is_outdoors=False, ground="#8a7a62")
