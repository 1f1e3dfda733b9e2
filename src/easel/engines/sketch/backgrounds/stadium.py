"""A stadium: stands full of people, floodlights and a pitch."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, line, n, polygon, rect


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("stadium")
    unit = view.unit
    top = view.horizon * 0.52
    stands = polygon([(0, top - 6 * unit), (view.width * 0.2, top), (view.width * 0.8, top), (view.width, top - 6 * unit),
                      (view.width, view.horizon), (0, view.horizon)], view.tint("#6a7386", 0.2))  # fmt: skip
    crowd = ("#e0533f", "#f7d64a", "#3f7fd0", "#ffffff", "#f5b58a", "#3fa66a", "#8a5fc0", "#3a3f4f")
    rows = 9
    for row in range(rows):
        y = top + 2 * unit + (view.horizon - top - 6 * unit) * row / rows
        x = (row % 2) * unit
        while x < view.width:
            stands += circle(
                x + dice.between(-0.2, 0.2) * unit,
                y + dice.between(-0.2, 0.2) * unit,
                0.85 * unit,
                view.tint(dice.pick(crowd), 0.35),
            )
            x += 2.2 * unit
    stands += rect(0, view.horizon - 4 * unit, view.width, 4.4 * unit, view.tint("#2f4f86", 0.1))
    for share in (0.1, 0.9):
        x = view.width * share
        stands += rect(x - 0.5 * unit, top - 24 * unit, unit, 26 * unit, view.tint("#59627a", 0.2))
        stands += rect(x - 5 * unit, top - 29 * unit, 10 * unit, 6 * unit, view.tint("#3a4150", 0.2), unit * 0.5)
        for number in range(6):
            stands += circle(
                x - 3.4 * unit + (number % 3) * 3.4 * unit,
                top - 27.4 * unit + (number // 3) * 2.8 * unit,
                1.1 * unit,
                "#fffbe0",
            )
    pitch, green = "", "#5faf4a"
    bands = 6
    for band in range(bands):
        a, b = view.down((band / bands) ** 1.5), view.down(((band + 1) / bands) ** 1.5)
        pitch += rect(
            0,
            a,
            view.width,
            b - a + 1,
            view.tint(lighter(green, 0.03 if band % 2 else -0.03), 0.15 * (1 - band / bands)),
        )
    white = line(f"M0 {n(view.down(0.12))}H{n(view.width)}M{n(view.width * 0.18)} {n(view.down(0.12))}L{n(-view.width * 0.06)} {n(view.height)}"
                 f"M{n(view.width * 0.82)} {n(view.down(0.12))}L{n(view.width * 1.06)} {n(view.height)}", view.tint("#ffffff"), 0.7 * unit, 0.9)  # fmt: skip
    return sky(view), stands, pitch + white + snow_on_ground(view, view.horizon) + lying(view, view.horizon)


BACKGROUND = Background(paint=_paint, horizon=0.58, ground="#3f7a34")
