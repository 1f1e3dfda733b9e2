"""Plain ground in one colour, for things that stand alone; for a logo, with a badge."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.painting.colour import NAMED, lighter, mix
from easel.engines.sketch.painting.markup import circle, down_gradient, ellipse, n, path, rect, round_gradient

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
LOGO_COLOURS = ("#2f6fb5", "#c9404f", "#2f8a62", "#e0a030", "#6a4fa8", "#1f8f99", "#d9703f", "#3f4a63")


def _paint_logo(view: View) -> tuple[str, ...]:
    dice = view.dice.named("logo")
    ground = "#fbfbfc" if view.colour in (None, "white") else NAMED[view.colour or "white"]
    colour, radius = dice.pick(LOGO_COLOURS), 0.43 * min(view.width, view.height)
    x, y = view.width / 2, view.height / 2
    painted = rect(0, 0, view.width, view.height, ground)
    badge = dice.below(3)
    if badge == 0:
        painted += circle(x, y, radius, colour) + circle(x, y, radius * 0.93, "#ffffff")
        painted += circle(x, y, radius * 0.88, mix(colour, "#ffffff", 0.78))
    elif badge == 1:
        side = 2 * radius * 0.94
        painted += rect(x - side / 2, y - side / 2, side, side, mix(colour, "#ffffff", 0.72), side * 0.24)
        painted += rect(
            x - side * 0.46, y - side * 0.46, side * 0.92, side * 0.92, mix(colour, "#ffffff", 0.86), side * 0.21
        )
    else:
        painted += _shield(x, y, radius, colour) + _shield(x, y, radius * 0.93, "#ffffff")
        painted += _shield(x, y, radius * 0.88, mix(colour, "#ffffff", 0.78))
    return (painted,)


def _shield(x: float, y: float, radius: float, fill: str) -> str:
    half = radius * 0.9
    return path(
        f"M{n(x - half)} {n(y - radius * 0.86)}Q{n(x)} {n(y - radius * 1.12)} {n(x + half)} {n(y - radius * 0.86)}V{n(y + radius * 0.1)}"
        f"C{n(x + half)} {n(y + radius * 0.62)} {n(x + half * 0.5)} {n(y + radius * 0.86)} {n(x)} {n(y + radius)}"
        f"C{n(x - half * 0.5)} {n(y + radius * 0.86)} {n(x - half)} {n(y + radius * 0.62)} {n(x - half)} {n(y + radius * 0.1)}Z",
        fill,
    )


LOGO = Background(
    paint=_paint_logo, horizon=0.5, near=0.7, surface="air", is_outdoors=False, ground="#b9bfc8", frame=0.58
)
