"""Houses and towers with windows, lit at night."""

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.backgrounds.elements.season import snow_on_roof, snow_on_top
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import polygon, rect


def skyline(view: View, dice: Dice, base: float, tallest: float, depth: float, gap: float) -> str:
    """A row of towers that stand on `base`."""
    painted, x = "", -gap * dice.between(0, 1)
    palette = ("#7f93b5", "#8f86ab", "#6f8aa0", "#a08d94", "#8a9a9f")
    while x < view.width:
        wide = gap * dice.between(0.75, 1.35)
        tall = tallest * dice.between(0.42, 1.0)
        painted += tower(view, dice, x, base, wide, tall, dice.pick(palette), depth)
        x += wide * dice.between(0.92, 1.06)
    return painted


def tower(view: View, dice: Dice, x: float, base: float, wide: float, tall: float, colour: str, depth: float) -> str:
    """A tower with its windows."""
    wall, side = view.tint(colour, depth), view.tint(lighter(colour, -0.06), depth)
    painted = rect(x, base - tall, wide, tall, wall) + rect(x + wide * 0.78, base - tall, wide * 0.22, tall, side)
    if dice.chance(0.3):
        painted += rect(x + wide * 0.3, base - tall - wide * 0.16, wide * 0.4, wide * 0.16, side)
        painted += rect(x + wide * 0.48, base - tall - wide * 0.62, wide * 0.045, wide * 0.5, side)
    painted += snow_on_top(view, x, base - tall, wide, depth)
    return painted + _windows(view, dice, x, base, wide, tall, colour, depth)


def _windows(view: View, dice: Dice, x: float, base: float, wide: float, tall: float, colour: str, depth: float) -> str:
    columns = 3 + dice.below(2)
    cell = wide * 0.74 / columns
    rows = min(16, int(tall / (cell * 1.35)))
    lit_often = {"night": 0.6, "sunset": 0.35, "dawn": 0.15}.get(view.time, 0.0)
    glass = view.tint(lighter(colour, 0.16 if view.time == "day" else -0.07), depth)
    painted = ""
    for row in range(rows):
        for column in range(columns):
            fill = dice.pick(("#ffd983", "#ffe9b0", "#ffc766")) if dice.chance(lit_often) else glass
            painted += rect(
                x + wide * 0.07 + column * cell, base - tall + (row * 1.35 + 0.5) * cell, cell * 0.62, cell * 0.78, fill
            )
    return painted


def house(view: View, dice: Dice, x: float, base: float, wide: float, tall: float, colour: str, depth: float) -> str:
    """A town house with a pitched roof and a door."""
    roof = dice.pick(("#b5533f", "#8a5a4a", "#6a6f86", "#c4744a"))
    painted = rect(x, base - tall, wide, tall, view.tint(colour, depth))
    painted += polygon(
        [(x - wide * 0.05, base - tall), (x + wide * 0.5, base - tall - wide * 0.42), (x + wide * 1.05, base - tall)],
        view.tint(roof, depth),
    )
    peak, eaves = (x + wide * 0.5, base - tall - wide * 0.42), base - tall
    painted += snow_on_roof(view, (x - wide * 0.05, eaves), peak, (x + wide * 1.05, eaves), depth)
    glass = "#ffdf94" if view.time in ("night", "sunset") else view.tint("#bfe3f5", depth)
    frame = view.tint("#ffffff", depth)
    rows = max(1, int(tall / (wide * 0.42)))
    for row in range(rows):
        for column in range(2):
            left, top = x + wide * (0.16 + 0.42 * column), base - tall + wide * (0.12 + 0.42 * row)
            if row == rows - 1 and column == 1:
                painted += rect(
                    left, top + wide * 0.02, wide * 0.26, base - top - wide * 0.02, view.tint(roof, depth), wide * 0.02
                )
                continue
            painted += rect(left - wide * 0.02, top - wide * 0.02, wide * 0.3, wide * 0.29, frame, wide * 0.02)
            painted += rect(left, top, wide * 0.26, wide * 0.25, glass)
            painted += rect(left + wide * 0.12, top, wide * 0.02, wide * 0.25, frame)
    return painted
