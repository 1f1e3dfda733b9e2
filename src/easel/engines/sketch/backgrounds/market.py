"""A market: stalls with striped awnings and goods."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import flat_ground
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.town import house
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.markup import circle, n, path, rect

STRIPES = ("#e0533f", "#3f8fd0", "#3fa66a", "#f0a93a", "#8a5fc0")
GOODS = ("#e0383f", "#f7a52c", "#8fc63f", "#f7d64a", "#8a4fa8", "#d9703a")


def _stall(view: View, dice: Dice, x: float, wide: float, base: float) -> str:
    unit, tall = view.unit, wide * 0.95
    colour = dice.pick(STRIPES)
    painted = rect(x + wide * 0.06, base - tall, wide * 0.04, tall, view.tint("#7a5236", 0.1))
    painted += rect(x + wide * 0.9, base - tall, wide * 0.04, tall, view.tint("#7a5236", 0.1))
    painted += rect(x + wide * 0.08, base - tall * 0.8, wide * 0.84, tall * 0.5, view.tint("#5a4634", 0.1))
    painted += rect(
        x + wide * 0.02, base - tall * 0.36, wide * 0.96, tall * 0.36, view.tint("#b98a5a", 0.05), 0.4 * unit
    )
    for row in range(2):
        for number in range(9):
            painted += circle(x + wide * (0.09 + 0.1 * number + 0.04 * row), base - tall * (0.38 + 0.055 * row), wide * 0.055,
                              view.tint(dice.pick(GOODS), 0.05))  # fmt: skip
    painted += rect(
        x + wide * 0.02, base - tall * 0.36, wide * 0.96, tall * 0.07, view.tint("#cfa06c", 0.05), 0.4 * unit
    )
    step = wide * 1.04 / 6
    for number in range(6):
        left = x - wide * 0.02 + number * step
        fill = view.tint(colour if number % 2 == 0 else "#fdf6e8", 0.05)
        top, low = base - tall * 1.18, base - tall * 0.86
        painted += path(f"M{n(left + step * 0.1)} {n(top)}H{n(left + step * 0.9 + 1)}L{n(left + step + 0.6)} {n(low)}"
                        f"Q{n(left + step / 2)} {n(low + step * 0.6)} {n(left)} {n(low)}Z", fill)  # fmt: skip
    return painted


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("market")
    unit, base = view.unit, view.horizon + 2 * view.unit
    houses, x = "", -4 * unit
    while x < view.width:
        wide = dice.between(18, 24) * unit
        houses += house(
            view,
            dice,
            x,
            base,
            wide,
            dice.between(1.3, 1.8) * wide,
            dice.pick(("#e8d3b4", "#d9bfa8", "#cfd3c6", "#d9c7cf")),
            0.45,
        )
        x += wide * 1.02
    count = max(2, round(view.width / (36 * unit)))
    wide = view.width / count
    stalls = "".join(
        _stall(view, dice, number * wide + wide * 0.05, wide * 0.9, base + unit) for number in range(count)
    )
    ground = flat_ground(view, view.tint("#d3c4ac", 0.1), view.tint("#b09c80"), base)
    ground += snow_on_ground(view, base + unit) + lying(view, base + 4 * unit)
    return sky(view), houses, ground + stalls


BACKGROUND = Background(paint=_paint, horizon=0.62, ground="#7a6a54")
