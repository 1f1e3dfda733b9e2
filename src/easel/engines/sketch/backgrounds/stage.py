"""A stage with curtains and beams of light."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import down_gradient, ellipse, n, path, rect, round_gradient

CURTAINS = ("#b3263a", "#5f2f8f", "#1f5f8a", "#8f2f5f")
BEAMS = (("#ffe9a8", "#ffd0e8"), ("#a8e6ff", "#e0b8ff"), ("#ffdca0", "#ffb8a0"))


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("stage")
    unit, curtain, beams = view.unit, dice.pick(CURTAINS), dice.pick(BEAMS)
    wall, boards = view.ids.next(), view.ids.next()
    back = down_gradient(wall, [(0, "#140f22"), (1, "#2f2340")]) + rect(0, 0, view.width, view.height, f"url(#{wall})")
    back += down_gradient(boards, [(0, "#6f4a33"), (1, "#a8744c")])
    back += rect(0, view.horizon, view.width, view.height - view.horizon, f"url(#{boards})")
    for share, lean, colour in ((0.22, 0.22, beams[0]), (0.5, 0.0, "#fff6dc"), (0.78, -0.22, beams[1])):
        name = view.ids.next()
        back += (
            f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{colour}"'
            f' stop-opacity="0.6"/><stop offset="1" stop-color="{colour}" stop-opacity="0.08"/></linearGradient></defs>'
        )
        x, low = view.width * share, view.down(0.5)
        foot, half = x + lean * view.width, 17 * unit
        back += path(
            f"M{n(x - 2 * unit)} 0L{n(x + 2 * unit)} 0L{n(foot + half)} {n(low)}L{n(foot - half)} {n(low)}Z",
            f"url(#{name})",
        )
    pool = view.ids.next()
    back += round_gradient(pool, [(0, "#fff3cf", 0.75), (1, "#fff3cf", 0)])
    back += ellipse(
        view.width / 2, view.down(0.56), view.width * 0.4, (view.height - view.horizon) * 0.42, f"url(#{pool})"
    )
    drapes = _folds(view, curtain)
    return back, drapes


def _folds(view: View, curtain: str) -> str:
    """Curtains at both sides and above."""
    unit = view.unit
    wide = min(22 * unit, view.width * 0.2)
    painted = ""
    for side in (0, 1):
        for fold in range(5):
            x = fold * wide / 5 if side == 0 else view.width - (fold + 1) * wide / 5
            painted += rect(
                x, 0, wide / 5 + 1, view.down(0.3), lighter(curtain, (-0.08, 0.03, -0.04, 0.05, -0.02)[fold])
            )
    step = view.width / 7
    for number in range(7):
        x = number * step
        painted += path(
            f"M{n(x)} 0H{n(x + step + 1)}V{n(7 * unit)}Q{n(x + step / 2)} {n(13 * unit)} {n(x)} {n(7 * unit)}Z",
            lighter(curtain, 0.04 if number % 2 else -0.03),
        )
    return painted + rect(0, 0, view.width, 1.8 * unit, "#e0b24a")


BACKGROUND = Background(paint=_paint, horizon=0.66, is_outdoors=False, ground="#3f2818", is_dark=True)
