"""A kitchen: tiles, cupboards and a worktop where small things stand."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.interior import shelf, wall, window
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, line, n, rect

FRONTS = ("#7fa3a8", "#d9c7a8", "#8fa67f", "#c98f7a", "#e8e4da", "#6f86a3")


def _paint(view: View) -> tuple[str, ...]:
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


BACKGROUND = Background(paint=_paint, horizon=0.64, near=0.76, surface="table", is_outdoors=False, ground="#8f6a40")
