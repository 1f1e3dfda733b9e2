"""Plain ground in one colour, for things that stand alone."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.painting.colour import NAMED, lighter, mix
from easel.engines.sketch.painting.markup import down_gradient, ellipse, rect, round_gradient

PALETTE = ("#bfe0f2", "#f7d9c4", "#d5e8d4", "#e3d7f0", "#fbe7b2", "#f4cdd5", "#cfe8e6", "#dfe3ea")


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("studio")
    base = NAMED.get(view.colour or "", "") or dice.pick(PALETTE)
    if view.colour == "white":
        base = "#fbfbfc"
    wall, floor = view.ids.next(), view.ids.next()
    painted = down_gradient(wall, [(0, lighter(base, 0.02)), (1, base)])
    painted += rect(0, 0, view.width, view.height, f"url(#{wall})")
    if view.colour is None:
        glow = view.ids.next()
        painted += round_gradient(glow, [(0, "#ffffff", 0.55), (1, "#ffffff", 0)])
        painted += ellipse(view.width / 2, view.height * 0.46, view.width * 0.62, view.height * 0.5, f"url(#{glow})")
    painted += down_gradient(floor, [(0, mix(base, "#ffffff", 0.12)), (1, lighter(base, -0.05))])
    painted += rect(0, view.horizon, view.width, view.height - view.horizon, f"url(#{floor})")
    return (painted,)


BACKGROUND = Background(paint=_paint, horizon=0.72, near=0.86, is_outdoors=False, ground="#b9bfc8")
