"""Walls, floors, windows, pictures and shelves of rooms."""

from typing import Final

from easel.engines.sketch.backgrounds.background import View
from easel.engines.sketch.backgrounds.elements.season import is_winter
from easel.engines.sketch.backgrounds.elements.sky import GREY, SKIES, clouded
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import circle, down_gradient, line, n, polygon, rect

FALLING: Final = 34
"""How many drops or flakes a window shows."""


def wall(view: View, colour: str) -> str:
    """The wall down to the floor."""
    name = view.ids.next()
    dark = -0.14 if view.time == "night" else 0.0
    painted = down_gradient(name, [(0, lighter(colour, dark - 0.03)), (1, lighter(colour, dark + 0.03))])
    return painted + rect(0, 0, view.width, view.horizon + 1, f"url(#{name})")


def floor(view: View, colour: str, skirting: str) -> str:
    """Floorboards and a skirting board."""
    name = view.ids.next()
    painted = down_gradient(name, [(0, lighter(colour, -0.03)), (1, lighter(colour, 0.05))])
    painted += rect(0, view.horizon, view.width, view.height - view.horizon, f"url(#{name})")
    joints = ""
    for step in range(-9, 10):
        x = view.width / 2 + step * view.width * 0.09
        joints += f"M{n(x)} {n(view.horizon)}L{n(view.width / 2 + step * view.width * 0.2)} {n(view.height)}"
    painted += line(joints, lighter(colour, -0.08), 0.2 * view.unit, 0.6)
    return painted + rect(0, view.horizon - 1.8 * view.unit, view.width, 2 * view.unit, skirting)


def window(view: View, x: float, y: float, wide: float, tall: float) -> str:
    """A window around a middle, with the sky of this time and the weather in it."""
    name = view.ids.next()
    colours = clouded(view, SKIES[view.time][0])
    left, top = x - wide / 2, y - tall / 2
    painted = rect(
        left - view.unit, top - view.unit, wide + 2 * view.unit, tall + 2 * view.unit, "#fbf8f2", view.unit * 0.5
    )
    painted += down_gradient(name, [(0, colours[0]), (1, colours[2])]) + rect(left, top, wide, tall, f"url(#{name})")
    if view.time == "night" and view.weather not in GREY:
        painted += circle(x + wide * 0.22, top + tall * 0.22, wide * 0.09, "#fbf3d4")
    painted += polygon([(left, top + tall), (left, top + tall * 0.78), (x, top + tall * 0.68), (left + wide, top + tall * 0.8),
                        (left + wide, top + tall)], view.light.on("#eef4f8" if is_winter(view) else "#8cc06e", 0.5))  # fmt: skip
    painted += _falling(view, left, top, wide, tall)
    bar = 0.9 * view.unit
    painted += rect(x - bar / 2, top, bar, tall, "#fbf8f2") + rect(left, y - bar / 2, wide, bar, "#fbf8f2")
    painted += rect(
        left - 2 * view.unit,
        top + tall + 0.6 * view.unit,
        wide + 4 * view.unit,
        1.6 * view.unit,
        "#f1ece2",
        0.6 * view.unit,
    )
    return painted


def _falling(view: View, left: float, top: float, wide: float, tall: float) -> str:
    """The rain or the snow behind a pane."""
    dice = view.dice.named(f"pane {n(left)}")
    if view.weather == "snowfall":
        return "".join(
            circle(left + dice.between(0.03, 0.97) * wide, top + dice.between(0.03, 0.97) * tall,
                   view.unit * dice.between(0.25, 0.6), "#ffffff", 0.9)
            for _ in range(FALLING)
        )  # fmt: skip
    if view.weather not in ("rain", "storm"):
        return ""
    streaks = ""
    for _ in range(FALLING):
        x, y = left + dice.between(0.02, 0.93) * wide, top + dice.between(0.02, 0.88) * tall
        length = dice.between(0.05, 0.1) * tall
        streaks += f"M{n(x)} {n(y)}l{n(length * 0.22)} {n(length)}"
    return line(streaks, "#f2f8ff", 0.35 * view.unit, 0.8)


def framed(view: View, dice: Dice, x: float, y: float, wide: float, tall: float) -> str:
    """A picture on the wall."""
    left, top = x - wide / 2, y - tall / 2
    frame = dice.pick(("#8a5a3a", "#d9b34a", "#3d3f4a", "#f4efe6"))
    painted = rect(left, top, wide, tall, frame, 0.4 * view.unit)
    edge = 1.4 * view.unit
    painted += rect(
        left + edge, top + edge, wide - 2 * edge, tall - 2 * edge, dice.pick(("#dbe9f0", "#f2e3c9", "#e6d5dd"))
    )
    low = top + tall - edge
    painted += polygon(
        [(left + edge, low), (left + wide * 0.4, top + tall * 0.45), (left + wide * 0.62, low)],
        dice.pick(("#7d9b6a", "#5f86b3", "#c9645a")),
    )
    painted += polygon(
        [(left + wide * 0.35, low), (left + wide * 0.68, top + tall * 0.55), (left + wide - edge, low)], "#4f6f86"
    )
    return painted + circle(left + wide * 0.7, top + tall * 0.3, wide * 0.09, "#f2b84b")


def shelf(view: View, dice: Dice, x: float, y: float, wide: float) -> str:
    """A board with books and a pot."""
    painted, at, board = "", x - wide / 2 + view.unit, y
    while at < x + wide / 2 - 4 * view.unit:
        thick, tall = dice.between(1.4, 2.6) * view.unit, dice.between(7, 11) * view.unit
        colour = dice.pick(("#c9645a", "#5f86b3", "#d9a441", "#7d9b6a", "#8a6fa8", "#e6dcc8", "#3f5f73"))
        painted += rect(at, board - tall, thick, tall, colour, 0.2 * view.unit)
        painted += rect(at, board - tall * 0.8, thick, tall * 0.08, lighter(colour, 0.12))
        at += thick + 0.15 * view.unit
    return painted + rect(x - wide / 2, board, wide, 1.3 * view.unit, "#8f6a4c", 0.3 * view.unit)
