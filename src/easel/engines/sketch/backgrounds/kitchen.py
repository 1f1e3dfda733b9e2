"""A kitchen: cupboards along the wall and a floor before them; from near, a worktop where small things stand."""

import itertools

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.interior import shelf, wall, window
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, line, n, polygon, rect

FRONTS = ("#7fa3a8", "#d9c7a8", "#8fa67f", "#c98f7a", "#e8e4da", "#6f86a3")


def _paint_close_up(view: View) -> tuple[str, ...]:
    dice = view.dice.named("kitchen")
    unit = view.unit
    back = wall(view, "#f1eadc")
    tiles = ""
    top = view.horizon * 0.62
    back += rect(0, top, view.width, view.horizon - top, "#dfe9e6")
    step = 6 * unit
    for row in range(int((view.horizon - top) / step) + 1):
        tiles += f"M0 {n(top + row * step)}H{n(view.width)}"
    for column in range(int(view.width / step) + 1):
        tiles += f"M{n(column * step)} {n(top)}V{n(view.horizon)}"
    back += line(tiles, "#ffffff", 0.35 * unit, 0.9)
    back += window(view, view.width * 0.5, view.horizon * 0.3, 28 * unit, 24 * unit)
    back += shelf(view, dice, view.width * 0.14, view.horizon * 0.42, 18 * unit)
    front = dice.pick(FRONTS)
    edge = view.down(0.62)
    work = rect(0, view.horizon, view.width, edge - view.horizon, "#d8b98f") + rect(
        0, edge, view.width, 1.6 * unit, "#b5915f"
    )
    work += rect(0, edge + 1.6 * unit, view.width, view.height - edge, front)
    width = view.width / 4
    for number in range(4):
        work += rect(
            number * width + unit, edge + 3.4 * unit, width - 2 * unit, view.height - edge, lighter(front, 0.05), unit
        )
        work += circle(number * width + width * 0.5, edge + 6 * unit, 0.9 * unit, "#c9a24b")
    return back, work


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("kitchen")
    unit, front = view.unit, dice.pick(FRONTS)
    top, low = view.horizon * 0.66, view.horizon + 1.5 * unit
    is_left = dice.chance(0.5)
    back = wall(view, dice.pick(("#f4ecdc", "#e6eceb", "#f2e4d3"))) + _tiles(view, view.horizon * 0.34, top)
    middle = view.width * (0.36 if is_left else 0.64)
    back += window(view, middle, view.horizon * 0.28, 30 * unit, min(30 * unit, view.horizon * 0.42))
    back += _cupboards(view, front, is_left)
    count = max(3, round(view.width / (26 * unit)))
    wide, oven = view.width / count, dice.below(count)
    for number in range(count):
        back += rect(number * wide, top, wide + 1, low - top, lighter(front, -0.02 * (number % 2)))
        back += (_oven if number == oven else _drawers)(view, number * wide, top, wide, low, front)
    edge = top - 1.6 * unit
    back += rect(0, edge, view.width, 2.4 * unit, "#d8b98f") + rect(
        0, top + 0.8 * unit, view.width, 0.9 * unit, "#b5915f"
    )
    for number in range(count):
        x = (number + dice.between(0.3, 0.7)) * wide
        back += _pot(view, x, edge) if number == oven else _UTENSILS[dice.below(len(_UTENSILS))](view, x, edge)
    return back, _floor(view, dice)


def _tiles(view: View, top: float, low: float) -> str:
    """A tiled part of the wall."""
    step, data = 6 * view.unit, ""
    for row in range(int((low - top) / step) + 1):
        data += f"M0 {n(top + row * step)}H{n(view.width)}"
    for column in range(int(view.width / step) + 1):
        data += f"M{n(column * step)} {n(top)}V{n(low)}"
    return rect(0, top, view.width, low - top, "#dfe9e6") + line(data, "#ffffff", 0.35 * view.unit, 0.9)


def _cupboards(view: View, front: str, is_left: bool) -> str:
    """Cupboards on the wall, where the window leaves room."""
    if view.width > view.height:
        wide = view.width * 0.18
        return _cupboard(view, view.width * 0.02, wide, front) + _cupboard(view, view.width * 0.8, wide, front)
    return _cupboard(view, view.width * (0.72 if is_left else 0.04), 24 * view.unit, front)


def _cupboard(view: View, x: float, wide: float, front: str) -> str:
    unit, y, tall = view.unit, view.horizon * 0.04, view.horizon * 0.3
    painted = rect(x, y, wide, tall, lighter(front, -0.05), 0.6 * unit)
    for side in (0, 1):
        left = x + side * wide / 2 + 0.7 * unit
        painted += rect(
            left, y + 0.8 * unit, wide / 2 - 1.4 * unit, tall - 1.6 * unit, lighter(front, 0.05), 0.5 * unit
        )
        painted += circle(x + wide / 2 + (1.8 if side else -1.8) * unit, y + tall * 0.8, 0.6 * unit, "#c9a24b")
    return painted


def _drawers(view: View, x: float, top: float, wide: float, low: float, front: str) -> str:
    unit, painted = view.unit, ""
    for start, end in ((0.1, 0.3), (0.34, 0.92)):
        y, tall = top + (low - top) * start, (low - top) * (end - start)
        painted += rect(x + 0.8 * unit, y, wide - 1.6 * unit, tall, lighter(front, 0.05), 0.5 * unit)
        painted += rect(x + wide / 2 - 2 * unit, y + 1.2 * unit, 4 * unit, 0.7 * unit, "#c9a24b", 0.3 * unit)
    return painted


def _oven(view: View, x: float, top: float, wide: float, low: float, _front: str) -> str:
    unit, tall = view.unit, low - top
    painted = rect(x, top, wide, tall, "#d5d8de") + rect(x, top + 0.16 * tall, wide, tall * 0.84, "#b9bec8", 0.4 * unit)
    for share in (0.2, 0.4, 0.6, 0.8):
        painted += circle(x + wide * share, top + 0.1 * tall, 0.8 * unit, "#5b6270")
    painted += rect(x + wide * 0.12, top + 0.34 * tall, wide * 0.76, tall * 0.46, "#3b404c", 0.8 * unit)
    painted += rect(x + wide * 0.17, top + 0.39 * tall, wide * 0.66, tall * 0.36, "#6b4a3a", 0.6 * unit)
    return painted + rect(x + wide * 0.16, top + 0.23 * tall, wide * 0.68, 0.9 * unit, "#8d9098", 0.4 * unit)


def _pot(view: View, x: float, low: float) -> str:
    unit = view.unit
    painted = rect(x - 4.5 * unit, low - 5.5 * unit, 9 * unit, 5.5 * unit, "#c9404f", unit)
    painted += rect(x - 5 * unit, low - 6.2 * unit, 10 * unit, 1.2 * unit, "#e0646c", 0.6 * unit)
    return painted + rect(x - 0.8 * unit, low - 7.4 * unit, 1.6 * unit, 1.4 * unit, "#3b404c", 0.6 * unit)


def _jars(view: View, x: float, low: float) -> str:
    unit, painted = view.unit, ""
    for at, (tall, colour) in enumerate(((6.0, "#f0d9a8"), (5.0, "#d99a6a"), (4.2, "#b9c98f"))):
        left = x + (at * 3.6 - 5) * unit
        painted += rect(left, low - tall * unit, 3 * unit, tall * unit, colour, 0.6 * unit)
        painted += rect(left + 0.2 * unit, low - (tall + 0.9) * unit, 2.6 * unit, 1.2 * unit, "#a9764a", 0.4 * unit)
    return painted


def _herbs(view: View, x: float, low: float) -> str:
    unit = view.unit
    painted = "".join(
        circle(x + right * unit, low - up * unit, 1.9 * unit, "#5aa84a")
        for right, up in ((-1.8, 5.8), (1.8, 5.8), (0.0, 7.5), (0.0, 5.6))
    )
    return painted + rect(x - 2 * unit, low - 4.4 * unit, 4 * unit, 4.4 * unit, "#c9703f", 0.6 * unit)


def _board(view: View, x: float, low: float) -> str:
    unit = view.unit
    painted = rect(x - 3.4 * unit, low - 8.4 * unit, 6.8 * unit, 8.4 * unit, "#c08a5a", 1.2 * unit)
    return painted + circle(x, low - 7 * unit, 0.7 * unit, "#8a5a34")


_UTENSILS = (_jars, _herbs, _board)


def _floor(view: View, dice: Dice) -> str:
    """Tiles in two colours that recede."""
    light, dark = dice.pick((("#e9e2d4", "#cdbfa8"), ("#e4e6e8", "#b9c3c9"), ("#ecdcc8", "#c99a78")))
    painted = rect(0, view.horizon, view.width, view.height - view.horizon, light)
    edges = [view.down(share) for share in (0.0, 0.16, 0.4, 0.7, 1.05)]
    for row, column in itertools.product(range(4), range(-5, 5)):
        if (row + column) % 2 == 0:
            high, low = edges[row], edges[row + 1]
            corners = ((column, high), (column + 1, high), (column + 1, low), (column, low))
            painted += polygon([(_joint(view, joint, y), y) for joint, y in corners], dark)
    return painted + rect(0, view.horizon - 0.4 * view.unit, view.width, 1.6 * view.unit, "#5b4a3c", opacity=0.35)


def _joint(view: View, column: float, y: float) -> float:
    """Where a joint between tiles is at a height of the picture."""
    return view.width / 2 + column * view.width * (0.16 + 0.26 * (y - view.horizon) / (view.height - view.horizon))


BACKGROUND = Background(paint=_paint, horizon=0.66, is_outdoors=False, has_wall=True, ground="#8f7a60")
CLOSE_UP = Background(
    paint=_paint_close_up, horizon=0.64, near=0.76, surface="table", is_outdoors=False, has_wall=True, ground="#8f6a40"
)
