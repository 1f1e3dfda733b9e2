"""A library: walls of books and a warm carpet."""

from dataclasses import replace

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.interior import floor, wall
from easel.engines.sketch.backgrounds.table_top import WOODS, table
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import polygon, rect

BOOKS = ("#a8433a", "#35628f", "#b8862f", "#4f7a4a", "#6f4f8a", "#d9cdb4", "#2f4f5f", "#8a5a3a", "#7a2f45")


def _case(view: View, dice: Dice, x: float, wide: float) -> str:
    top, wood = view.horizon * 0.07, "#7a5236"
    painted = rect(x, top, wide, view.horizon - top, wood, 0.5 * view.unit)
    shelves = 5
    tall = (view.horizon - top - 1.6 * view.unit) / shelves
    for row in range(shelves):
        y = top + view.unit + row * tall
        painted += rect(x + view.unit, y, wide - 2 * view.unit, tall - 1.2 * view.unit, "#3a2416")
        at = x + 1.4 * view.unit
        while at < x + wide - 3 * view.unit:
            thick, height = dice.between(1.1, 2.2) * view.unit, (tall - 1.2 * view.unit) * dice.between(0.62, 0.94)
            colour = dice.pick(BOOKS)
            painted += rect(at, y + tall - 1.2 * view.unit - height, thick, height, colour, 0.15 * view.unit)
            painted += rect(at, y + tall - 1.2 * view.unit - height * 0.84, thick, height * 0.07, lighter(colour, 0.15))
            at += thick + 0.1 * view.unit
            if dice.chance(0.06):
                at += 2.4 * view.unit
    return painted


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("library")
    count = max(2, round(view.width / (30 * view.unit)))
    wide = view.width / count
    back = wall(view, "#d9c4a0")
    for number in range(count):
        back += _case(view, dice, number * wide + 0.8 * view.unit, wide - 1.6 * view.unit)
    carpet = dice.pick(("#8f3f3f", "#3f5f7f", "#5f6f3f", "#7a5a86"))
    ground = floor(view, "#a3764f", "#6a452b")
    low = view.height
    ground += polygon(
        [
            (view.width * 0.24, view.down(0.14)),
            (view.width * 0.76, view.down(0.14)),
            (view.width * 0.96, low),
            (view.width * 0.04, low),
        ],
        carpet,
    )
    ground += polygon(
        [
            (view.width * 0.28, view.down(0.2)),
            (view.width * 0.72, view.down(0.2)),
            (view.width * 0.88, low),
            (view.width * 0.12, low),
        ],
        lighter(carpet, 0.07),
    )
    return back, ground


def _paint_close_up(view: View) -> tuple[str, ...]:
    return _paint(view)[0], table(view, view.dice.named("table").pick(WOODS))


BACKGROUND = Background(paint=_paint, horizon=0.68, is_outdoors=False, ground="#5a3a24")
CLOSE_UP = replace(BACKGROUND, paint=_paint_close_up, horizon=0.64, near=0.87, surface="table", ground="#8a5a34")
