"""Below the surface: light from above, sand and weeds below."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.painting.colour import mix
from easel.engines.sketch.painting.markup import circle, down_gradient, line, n, path, polygon, rect, smooth


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("underwater")
    night = 0.55 if view.time == "night" else 0.0
    top, middle, low = (mix(colour, "#06152f", night) for colour in ("#5fd3ea", "#1f93c9", "#0d4f8f"))
    name = view.ids.next()
    back = down_gradient(name, [(0, top), (0.45, middle), (1, low)])
    back += rect(0, 0, view.width, view.height, f"url(#{name})")
    for _ in range(6):
        x, wide = dice.between(-0.1, 1) * view.width, dice.between(0.03, 0.1) * view.width
        reach = view.height * dice.between(0.5, 0.85)
        lean = view.width * 0.16
        back += polygon([(x, 0), (x + wide, 0), (x + wide * 2 + lean, reach), (x + lean, reach)], "#ffffff", 0.09)
    floor = ""
    for level, colour in ((0.0, "#3f7f9c"), (0.35, "#c9b27f")):
        y = view.down(level)
        points = [(view.width * at / 4, y + dice.between(-2, 2) * view.unit) for at in range(-1, 6)]
        shape = smooth(points) + f"L{n(view.width * 1.3)} {n(view.height)}L{n(-view.width * 0.3)} {n(view.height)}Z"
        floor += path(shape, mix(colour, "#0b3f75", 0.35 + night * 0.5))
    for _ in range(9):
        floor += _weed(
            view, dice.between(0, 1) * view.width, night, dice.between(8, 20) * view.unit, dice.pick((-1, 1))
        )
    bubbles = "".join(
        circle(dice.between(0, 1) * view.width, dice.between(0.05, 0.8) * view.height, dice.between(0.4, 1.5) * view.unit,
               "#e8fbff", 0.35)
        for _ in range(22)
    )  # fmt: skip
    return back, floor, bubbles


def _weed(view: View, x: float, night: float, tall: float, lean: int) -> str:
    y = view.down(0.55)
    data = f"M{n(x)} {n(y)}"
    for step in range(4):
        side = lean * (1 if step % 2 else -1) * tall * 0.12
        data += f"q{n(side)} {n(-tall / 8)} 0 {n(-tall / 4)}"
    return line(data, mix("#2fa36b", "#06224a", 0.2 + night * 0.5), 1.3 * view.unit, 0.9)


BACKGROUND = Background(paint=_paint, horizon=0.84, near=0.95, surface="deep", is_outdoors=False, ground="#8a7a52")
