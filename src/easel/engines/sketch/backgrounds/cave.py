"""A cave with an opening to the light, and crystals."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.sky import SKIES
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import (
    Point,
    circle,
    down_gradient,
    ellipse,
    n,
    path,
    polygon,
    rect,
    round_gradient,
    smooth,
)


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("cave")
    unit, rock = view.unit, dice.pick(("#5f5a6f", "#6a5a50", "#4f5f6a"))
    name = view.ids.next()
    back = down_gradient(name, [(0, lighter(rock, -0.16)), (1, lighter(rock, -0.05))])
    back += rect(0, 0, view.width, view.height, f"url(#{name})")
    x, y = view.width * dice.between(0.36, 0.64), view.horizon * 0.62
    light, sky = view.ids.next(), SKIES[view.time][0]
    back += round_gradient(light, [(0, sky[2], 0.75), (1, sky[2], 0)])
    back += circle(x, y, 52 * unit, f"url(#{light})")
    back += ellipse(x, y, 21 * unit, view.horizon * 0.4, sky[1])
    back += ellipse(x, y + view.horizon * 0.28, 17 * unit, view.horizon * 0.12, view.light.on("#7fb86a", 0.4))
    walls = _edge(view, rock, 0.0, -0.1) + _edge(view, rock, 0.12, -0.02)
    ground = view.ids.next()
    walls += down_gradient(ground, [(0, lighter(rock, 0.04)), (1, lighter(rock, -0.12))])
    points: list[Point] = [(view.width * at / 4, view.horizon + dice.between(-1.5, 1.5) * unit) for at in range(-1, 6)]
    walls += path(
        smooth(points) + f"L{n(view.width * 1.3)} {n(view.height)}L{n(-view.width * 0.3)} {n(view.height)}Z",
        f"url(#{ground})",
    )
    for _ in range(7):
        walls += _crystal(view, dice.pick((dice.between(0.03, 0.24), dice.between(0.76, 0.97))) * view.width,
                          view.down(dice.between(0.05, 0.5)), dice.between(4, 10) * unit, dice.pick(("#7fd6f0", "#c79af0", "#8ff0c0")))  # fmt: skip
    return back, walls


def _edge(view: View, rock: str, inset: float, shade: float) -> str:
    """Rock from above with hanging stones."""
    dice = view.dice.named(f"edge {inset}")
    points: list[Point] = [(0.0, 0.0), (0.0, view.horizon * (0.5 - inset))]
    steps = 12
    for step in range(1, steps):
        middle = abs(step / steps - 0.5) * 2
        low = view.horizon * (0.08 + 0.34 * middle**2 - inset * 0.5)
        points.append((view.width * step / steps, max(2.0, low + (dice.between(5, 13) * view.unit if step % 2 else 0))))
    points += [(view.width, view.horizon * (0.5 - inset)), (view.width, 0.0)]
    return polygon(points, lighter(rock, shade))


def _crystal(view: View, x: float, y: float, tall: float, colour: str) -> str:
    half = tall * 0.26
    painted = polygon([(x - half, y), (x - half * 0.8, y - tall * 0.7), (x, y - tall), (x, y)], lighter(colour, 0.05))
    return painted + polygon(
        [(x, y), (x, y - tall), (x + half * 0.8, y - tall * 0.7), (x + half, y)], lighter(colour, -0.12)
    )


BACKGROUND = Background(paint=_paint, horizon=0.68, is_outdoors=False, ground="#2f2b36", is_dark=True)
