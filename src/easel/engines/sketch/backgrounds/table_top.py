"""A table before a soft wall, for food and other small things."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, down_gradient, line, n, rect, round_gradient

WALLS = ("#f3e3cf", "#cfe3e2", "#e9d3d0", "#d6dcea", "#dfe7cf", "#f5dcb8", "#c9d6c6")
WOODS = ("#c98f5a", "#b97a4a", "#d9ab77", "#9c6840", "#e8d9c5")


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("table")
    base, wood = dice.pick(WALLS), dice.pick(WOODS)
    wall = view.ids.next()
    back = down_gradient(wall, [(0, lighter(base, -0.03)), (1, lighter(base, 0.04))])
    back += rect(0, 0, view.width, view.horizon + 1, f"url(#{wall})")
    glow = view.ids.next()
    back += round_gradient(glow, [(0, "#ffffff", 0.6), (1, "#ffffff", 0)])
    for _ in range(6):
        x, y = dice.between(0, 1) * view.width, dice.between(0.05, 0.85) * view.horizon
        back += circle(x, y, dice.between(7, 18) * view.unit, f"url(#{glow})", dice.between(0.25, 0.6))
    return back, table(view, wood)


def table(view: View, wood: str) -> str:
    """A table from its far edge to the lower edge of the picture."""
    dice = view.dice.named("grain")
    top, edge = view.ids.next(), view.ids.next()
    painted = down_gradient(top, [(0, lighter(wood, 0.07)), (1, lighter(wood, -0.03))])
    painted += rect(0, view.horizon, view.width, view.height - view.horizon, f"url(#{top})")
    painted += down_gradient(edge, [(0, "#ffffff"), (1, lighter(wood, 0.05))])
    painted += rect(0, view.horizon, view.width, 0.5 * view.unit, f"url(#{edge})", opacity=0.5)
    grain = ""
    for level in (0.13, 0.3, 0.52, 0.8):
        y = view.down(level)
        bend = view.unit * dice.between(-0.6, 0.6)
        grain += f"M0 {n(y)}Q{n(view.width / 2)} {n(y + bend)} {n(view.width)} {n(y)}"
    return painted + line(grain, lighter(wood, -0.1), 0.22 * view.unit, 0.5)


BACKGROUND = Background(paint=_paint, horizon=0.63, near=0.87, surface="table", is_outdoors=False, ground="#8a5a34")
