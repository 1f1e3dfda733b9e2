"""A room: a wall with a window and a picture, a floor and a rug."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.interior import floor, framed, shelf, wall, window
from easel.engines.sketch.backgrounds.table_top import WOODS, table
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import ellipse

WALLS = ("#e9dcc6", "#cfdcd9", "#e4cfc4", "#d5d9e8", "#dbe3cc", "#f0dfb8")
FLOORS = ("#b98a5e", "#a3764f", "#c9a27a", "#8f6a4c")
RUGS = ("#c9645a", "#5f86b3", "#d9a441", "#7d9b6a", "#a57bb0")


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("room")
    base = dice.pick(WALLS)
    left = dice.chance(0.5)
    back = wall(view, base)
    if view.has_hanging:
        return back, floor_and_rug(view, dice, base)
    back += window(view, view.width * (0.22 if left else 0.78), view.horizon * 0.42, 27 * view.unit, 32 * view.unit)
    other = view.width * (0.78 if left else 0.22)
    if dice.chance(0.55):
        back += framed(view, dice, other, view.horizon * 0.38, 18 * view.unit, 22 * view.unit)
    else:
        back += shelf(view, dice, other, view.horizon * 0.5, 24 * view.unit)
    return back, floor_and_rug(view, dice, base)


def _paint_close_up(view: View) -> tuple[str, ...]:
    dice = view.dice.named("room")
    back = wall(view, dice.pick(WALLS))
    left = dice.chance(0.5)
    if view.has_hanging:
        return back, table(view, dice.pick(WOODS))
    back += window(view, view.width * (0.2 if left else 0.8), view.horizon * 0.42, 34 * view.unit, 44 * view.unit)
    back += framed(view, dice, view.width * (0.8 if left else 0.2), view.horizon * 0.36, 22 * view.unit, 26 * view.unit)
    return back, table(view, dice.pick(WOODS))


def floor_and_rug(view: View, dice: Dice, base: str) -> str:
    """The floor with a round rug in its middle."""
    rug = dice.pick(RUGS)
    ground = floor(view, dice.pick(FLOORS), lighter(base, 0.08))
    y = view.down(0.6)
    ground += ellipse(view.width / 2, y, view.width * 0.4, (view.height - view.horizon) * 0.3, view.tint(rug))
    ground += ellipse(
        view.width / 2, y, view.width * 0.35, (view.height - view.horizon) * 0.25, view.tint(lighter(rug, 0.09))
    )
    return ground


BACKGROUND = Background(paint=_paint, horizon=0.66, is_outdoors=False, has_wall=True, ground="#6e4c30")
CLOSE_UP = Background(
    paint=_paint_close_up, horizon=0.64, near=0.87, surface="table", is_outdoors=False, has_wall=True, ground="#8a5a34"
)
