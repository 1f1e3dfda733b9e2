"""Hills, mountains, grass and trees in one look, for several backgrounds."""

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.backgrounds.elements.season import is_winter
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter, mix
from easel.engines.sketch.painting.markup import (
    Point,
    circle,
    down_gradient,
    ellipse,
    n,
    path,
    polygon,
    rect,
    smooth,
)  # fmt: skip

FOLIAGE = {
    None: ("#4f9d45", "#3f8a40", "#64ad4a"), "summer": ("#4f9d45", "#3f8a40", "#64ad4a"),
    "spring": ("#8cc85a", "#f3b6c8", "#a6d36b"), "autumn": ("#d9822b", "#c4512c", "#e2ad3b"),
    "winter": ("#dfe9ee", "#c9d9e2", "#eef4f7"),
}  # fmt: skip
SAND = "#e8be78"
GRASS = {None: "#7fc65a", "summer": "#7fc65a", "spring": "#98d566", "autumn": "#c7ae57", "winter": "#eaf2f7"}


def hill(view: View, y: float, amplitude: float, top: str, bottom: str, dice: Dice, waves: int = 4) -> str:
    """A soft ridge around `y` that fills everything below."""
    points: list[Point] = [
        (view.width * at / waves, y + dice.between(-amplitude, amplitude)) for at in range(-1, waves + 2)
    ]
    name = view.ids.next()
    below = f"L{n(points[-1][0])} {n(view.height)}L{n(points[0][0])} {n(view.height)}Z"
    return down_gradient(name, [(0, top), (1, bottom)]) + path(smooth(points) + below, f"url(#{name})")


def flat_ground(view: View, top: str, bottom: str, y: float | None = None) -> str:
    """Level ground from the horizon down."""
    y = view.horizon if y is None else y
    name = view.ids.next()
    return down_gradient(name, [(0, top), (1, bottom)]) + rect(0, y, view.width, view.height - y, f"url(#{name})")


def mountain_range(view: View, base: float, rise: float, colour: str, depth: float, dice: Dice, snow: bool) -> str:
    """Peaks that stand on `base`, with a sunny and a shady side."""
    count = max(3, round(view.width / view.height * 3.4) + dice.below(2))
    painted = ""
    for number in dice.shuffled(range(count)):
        middle = view.width * (number + dice.between(0.25, 0.75)) / count
        height = rise * dice.between(0.62, 1.0)
        half = view.width / count * dice.between(0.85, 1.25)
        painted += _peak(view, middle, base, height, half, colour, depth, dice, snow)
    return painted


def _peak(
    view: View, x: float, base: float, height: float, half: float, colour: str, depth: float, dice: Dice, snow: bool
) -> str:
    top = (x, base - height)
    left, right = (x - half, base + 2), (x + half, base + 2)
    bend = dice.between(-0.12, 0.12) * half
    sunny, shady = view.tint(lighter(colour, 0.05), depth), view.tint(lighter(colour, -0.07), depth)
    knee_left = (x - half * 0.48, base - height * dice.between(0.44, 0.56))
    knee_right = (x + half * 0.5, base - height * dice.between(0.4, 0.54))
    painted = polygon([left, knee_left, top, knee_right, right], sunny)
    painted += polygon([top, knee_right, right, (x + bend, base + 2), (x + bend * 0.4, base - height * 0.45)], shady)
    if snow:
        share = dice.between(0.24, 0.36)
        a = _between(top, knee_left, share * 1.9)
        b = _between(top, knee_right, share * 1.9)
        teeth = [
            a, (x - half * 0.1, base - height * (1 - share * 1.05)), (x - half * 0.02, base - height * (1 - share * 0.72)),
            (x + half * 0.08, base - height * (1 - share * 1.1)), b,
        ]  # fmt: skip
        painted += polygon([top, *teeth], view.tint("#ffffff", depth * 0.8))
        painted += polygon([top, (x + half * 0.03, base - height * (1 - share * 0.8)), teeth[3], b],
                           view.tint("#d6e2f0", depth * 0.8))  # fmt: skip
    return painted


def _between(first: Point, second: Point, share: float) -> Point:
    return first[0] + (second[0] - first[0]) * share, first[1] + (second[1] - first[1]) * share


def round_tree(view: View, x: float, base: float, height: float, colour: str, depth: float, dice: Dice) -> str:
    """A broad-leaved tree that stands at `base`."""
    trunk = view.tint("#7a5236", depth)
    painted = rect(x - height * 0.045, base - height * 0.42, height * 0.09, height * 0.42, trunk, height * 0.02)
    dark, plain, light = (view.tint(lighter(colour, by), depth) for by in (-0.06, 0.0, 0.06))
    y = base - height * 0.64
    for dx, dy, radius, fill in (
        (-0.19, 0.09, 0.2, dark), (0.2, 0.1, 0.2, dark), (0, -0.03, 0.28, plain), (-0.1, -0.12, 0.19, plain),
        (0.06, -0.14, 0.16, light),
    ):  # fmt: skip
        painted += circle(
            x + dx * height, y + dy * height + dice.between(-0.015, 0.015) * height, radius * height, fill
        )
    return painted


def conifer(view: View, x: float, base: float, height: float, colour: str, depth: float, snow: bool = False) -> str:
    """A fir that stands at `base`."""
    painted = rect(x - height * 0.03, base - height * 0.15, height * 0.06, height * 0.15, view.tint("#6b4630", depth))
    for level, (low, high, half) in enumerate(((0.1, 0.5, 0.24), (0.32, 0.76, 0.19), (0.56, 1.0, 0.135))):
        fill = view.tint(lighter(colour, 0.025 * level), depth)
        points = [
            (x - half * height, base - low * height),
            (x, base - high * height),
            (x + half * height, base - low * height),
        ]
        painted += polygon(points, fill)
        painted += polygon(
            [points[1], points[2], (x, base - low * height)], view.tint(lighter(colour, -0.05), depth), 0.5
        )
        if snow:
            tip = [_between(points[1], points[0], 0.5), points[1], _between(points[1], points[2], 0.5),
                   (x, base - (high - (high - low) * 0.38) * height)]  # fmt: skip
            painted += polygon(tip, view.tint("#f6fafc", depth))
    return painted


def grass(view: View, dice: Dice, y_from: float, count: int, colour: str, size: float = 1.0) -> str:
    """Tufts of grass between `y_from` and the lower edge, larger when nearer."""
    data = ""
    for _ in range(count):
        y = y_from + (view.height - y_from) * dice.between(0, 1)
        near = (y - view.horizon) / max(1.0, view.height - view.horizon)
        tall = view.unit * (1 + 2.6 * near) * size
        x = dice.between(0, view.width)
        for lean in (-0.5, 0.0, 0.5):
            tip = x + lean * tall * 0.9
            data += (
                f"M{n(x - tall * 0.12)} {n(y)}Q{n(x + lean * tall * 0.3)} {n(y - tall * 0.6)} {n(tip)} {n(y - tall)}"
            )
            data += f"Q{n(x + lean * tall * 0.3 + tall * 0.14)} {n(y - tall * 0.5)} {n(x + tall * 0.12)} {n(y)}Z"
    return path(data, colour, 0.75)


def flowers(view: View, dice: Dice, y_from: float, count: int) -> str:
    """Small flowers in the grass, but in winter and in a desert."""
    if is_winter(view) or view.backdrop == "desert":
        return ""
    painted = ""
    kinds = [dice.pick(("#ffffff", "#ffd84d", "#f58fb8", "#b98cf0", "#ff7a6b")) for _ in range(2)]
    for _ in range(count):
        y = y_from + (view.height - y_from) * dice.between(0.02, 1)
        near = (y - view.horizon) / max(1.0, view.height - view.horizon)
        radius = view.unit * (0.22 + 0.6 * near)
        x = dice.between(0, view.width)
        petal = view.tint(dice.pick(kinds))
        painted += "".join(
            circle(x + dx * radius, y + dy * radius * 0.8, radius * 0.62, petal)
            for dx, dy in ((-0.7, 0), (0.7, 0), (0, -0.75), (0, 0.75))
        ) + circle(x, y, radius * 0.5, view.tint("#f6b93b"))
    return painted


def bush(view: View, x: float, base: float, width: float, colour: str, depth: float) -> str:
    """A round bush."""
    dark, plain = view.tint(lighter(colour, -0.05), depth), view.tint(colour, depth)
    return (
        ellipse(x - width * 0.25, base - width * 0.14, width * 0.28, width * 0.2, dark)
        + ellipse(x + width * 0.26, base - width * 0.13, width * 0.27, width * 0.18, dark)
        + ellipse(x, base - width * 0.2, width * 0.3, width * 0.25, plain)
    )


def foliage(view: View, dice: Dice) -> str:
    """The colour of a tree's leaves in this season."""
    return dice.pick(FOLIAGE[view.season])


def grass_colour(view: View) -> str:
    """The colour of grass, or of the sand of a desert, in this season and weather."""
    colour = GRASS[view.season]
    if view.backdrop == "desert" and not is_winter(view):
        return SAND
    return mix(colour, "#eef4f8", 0.75) if view.weather == "snowfall" and view.season != "winter" else colour
