"""Shapes without things: waves, circles or triangles in colours that go together."""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import NAMED, lighter, mix
from easel.engines.sketch.painting.markup import circle, down_gradient, n, path, polygon, rect, smooth

PALETTES: Final = (
    ("#264653", "#2a9d8f", "#e9c46a", "#f4a261", "#e76f51"), ("#3d348b", "#7678ed", "#f7b801", "#f18701", "#f35b04"),
    ("#0b3954", "#087e8b", "#bfd7ea", "#ff5a5f", "#c81d25"), ("#5f0f40", "#9a031e", "#fb8b24", "#e36414", "#0f4c5c"),
    ("#1d3557", "#457b9d", "#a8dadc", "#f1faee", "#e63946"), ("#4a4e9e", "#8d6fc8", "#f08fb8", "#ffc7a8", "#ffe9c9"),
)  # fmt: skip
WAVES: Final = 7
CIRCLES: Final = 22
CELLS: Final = 7
"""How many triangles are side by side along the shorter side."""


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("abstract")
    palette: Sequence[str] = dice.pick(PALETTES)
    if view.colour is not None:
        base = NAMED[view.colour]
        palette = [mix(base, other, share) for other, share in zip(palette, (0.1, 0.25, 0.4, 0.3, 0.15), strict=True)]
    name = view.ids.next()
    ground = down_gradient(name, [(0, lighter(palette[0], 0.05)), (1, palette[1])])
    ground += rect(0, 0, view.width, view.height, f"url(#{name})")
    return ground, dice.pick((_waves, _circles, _triangles))(view, dice, palette)


def _waves(view: View, dice: Dice, palette: Sequence[str]) -> str:
    painted = ""
    for number in range(WAVES):
        y = view.height * (0.12 + 0.86 * number / WAVES)
        reach = view.height * 0.09
        points = [(view.width * at / 3, y + dice.between(-reach, reach)) for at in range(-1, 5)]
        colour, name = palette[number % len(palette)], view.ids.next()
        shape = smooth(points) + f"L{n(view.width * 1.4)} {n(view.height)}L{n(-view.width * 0.4)} {n(view.height)}Z"
        painted += down_gradient(name, [(0, lighter(colour, 0.06)), (0.6, colour), (1, lighter(colour, -0.08))])
        painted += path(shape, f"url(#{name})")
    return painted


def _circles(view: View, dice: Dice, palette: Sequence[str]) -> str:
    painted = ""
    for number in range(CIRCLES):
        radius = view.unit * dice.between(4, 30) * (1 - 0.5 * number / CIRCLES)
        x, y = dice.between(0, 1) * view.width, dice.between(0, 1) * view.height
        colour = dice.pick(palette)
        painted += circle(x, y, radius, colour, 0.86)
        if dice.chance(0.4):
            painted += circle(x, y, radius * 0.62, dice.pick(palette)) + circle(
                x, y, radius * 0.3, lighter(colour, 0.1)
            )
    return painted


def _triangles(view: View, dice: Dice, palette: Sequence[str]) -> str:
    side = min(view.width, view.height) / CELLS
    columns, rows = int(view.width / side) + 2, int(view.height / side) + 2
    corners = [
        [((column - 0.5 + dice.between(-0.3, 0.3)) * side, (row - 0.5 + dice.between(-0.3, 0.3)) * side)
         for column in range(columns + 1)] for row in range(rows + 1)
    ]  # fmt: skip
    painted = ""
    for row in range(rows):
        for column in range(columns):
            a, b = corners[row][column], corners[row][column + 1]
            c, d = corners[row + 1][column + 1], corners[row + 1][column]
            across = (row / rows + column / columns) / 2
            for points in ((a, b, c), (a, c, d)):
                at = min(len(palette) - 1, max(0, int(len(palette) * (across + dice.between(-0.16, 0.16)))))
                painted += polygon(points, lighter(palette[at], dice.between(-0.04, 0.05)))
    return painted


BACKGROUND = Background(paint=_paint, horizon=0.72, near=0.86, is_outdoors=False, ground="#3a3f55")
