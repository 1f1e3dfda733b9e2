"""A café: a large window to the street, hanging lamps, a counter and a board."""

from dataclasses import replace

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.interior import floor, shelf, wall, window
from easel.engines.sketch.backgrounds.table_top import WOODS, table
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, ellipse, line, n, path, rect, round_gradient

WALLS = ("#a8674c", "#5f7f78", "#8a6a52", "#4f6674", "#b98a62")


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("cafe")
    unit, base = view.unit, dice.pick(WALLS)
    left = dice.chance(0.5)
    back = wall(view, base)
    back += window(
        view, view.width * (0.26 if left else 0.74), view.horizon * 0.44, view.width * 0.3, view.horizon * 0.52
    )
    other = view.width * (0.74 if left else 0.26)
    back += shelf(view, dice, other, view.horizon * 0.34, 26 * unit)
    back += _board(view, other, view.horizon * 0.6)
    glow = view.ids.next()
    back += round_gradient(glow, [(0, "#ffe3a3", 0.7), (1, "#ffe3a3", 0)])
    for share in (0.18, 0.5, 0.82):
        x, y = view.width * share, view.horizon * 0.2
        back += line(f"M{n(x)} 0V{n(y)}", "#2f2a2a", 0.4 * unit)
        back += circle(x, y + 2 * unit, 13 * unit, f"url(#{glow})")
        back += path(
            f"M{n(x - 4 * unit)} {n(y + 2 * unit)}Q{n(x)} {n(y - 4.6 * unit)} {n(x + 4 * unit)} {n(y + 2 * unit)}Z",
            "#33302f",
        )
        back += ellipse(x, y + 2 * unit, 3.6 * unit, 0.8 * unit, "#fff0c4")
    ground = floor(view, dice.pick(("#9c7350", "#7d5a41", "#b08a66")), lighter(base, -0.1))
    return back, ground


def _board(view: View, x: float, y: float) -> str:
    """A blackboard with chalk lines."""
    unit = view.unit
    painted = rect(x - 9 * unit, y - 6 * unit, 18 * unit, 13 * unit, "#7a5236", unit * 0.6)
    painted += rect(x - 8 * unit, y - 5 * unit, 16 * unit, 11 * unit, "#2c3a36", unit * 0.3)
    data = "".join(
        f"M{n(x - 6 * unit)} {n(y + step * unit)}h{n(long * unit)}"
        for step, long in ((-2.6, 9), (0, 12), (2.4, 7), (4.4, 10))
    )
    return painted + line(data, "#e9efe6", 0.5 * unit, 0.8)


def _paint_close_up(view: View) -> tuple[str, ...]:
    return _paint(view)[0], table(view, view.dice.named("table").pick(WOODS))


BACKGROUND = Background(paint=_paint, horizon=0.66, is_outdoors=False, has_wall=True, ground="#553c28")
CLOSE_UP = replace(BACKGROUND, paint=_paint_close_up, horizon=0.64, near=0.87, surface="table", ground="#8a5a34")
