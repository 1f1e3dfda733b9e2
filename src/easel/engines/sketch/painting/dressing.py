"""The colours of one placed picture: what the prompt asks for, the light that falls on it, and windows lit at night."""

import math
from typing import Final

from easel.engines.sketch.composing.light import Light
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.painting import colour
from easel.engines.sketch.pictures.library import Picture

LIT: Final = "#ffd983"
DARK_TIMES: Final = frozenset({"night", "sunset"})
NATURAL_SHARE: Final = 0.68
"""How much an animal keeps of its own colour if the prompt says one that is near: a red fox is a fox."""
NEAR_HUE: Final = 0.8
GLASS_LIGHTNESS: Final = 0.58
GLASS_CHROMA: Final = 0.07
GLASS_HUES: Final = (-2.75, -1.7)
_PLAIN_LIGHT: Final = (1.0, 1.0, 1.0)


def dressed(body: str, one: Placed, picture: Picture, light: Light, time: str) -> str:
    """The body of a picture in its colours."""
    for own, name in one.dyes:
        body = colour.mapped(body, colour.painted(own, colour.NAMED[name]))
    if one.colour is not None and picture.main_colour != colour.NAMED[one.colour]:
        body = colour.mapped(body, colour.painted(picture.main_colour, _target(one.colour, picture)))
    marks, depth = picture.traits.marks, 0.75 * one.depth
    is_lit = "windows" in marks and time in DARK_TIMES
    if "glows" in marks or not (light.glow_share or light.factors != _PLAIN_LIGHT or one.depth > 0.02 or is_lit):
        return body
    return colour.mapped(body, lambda own: LIT if is_lit and _is_glass(own) else light.on(own, depth))


def _target(name: str, picture: Picture) -> str:
    """The colour that a picture gets. Animals keep theirs for the most part if it is near."""
    target, own = colour.NAMED[name], picture.main_colour
    if picture.category != "Animals & Nature" or "plant" in picture.traits.marks:
        return target
    first, second = colour.oklab(target), colour.oklab(own)
    if min(math.hypot(*first[1:]), math.hypot(*second[1:])) < 0.06:
        return target
    apart = abs(math.atan2(first[2], first[1]) - math.atan2(second[2], second[1]))
    is_near = min(apart, 2 * math.pi - apart) < NEAR_HUE and abs(first[0] - second[0]) < 0.3
    return colour.mix(target, own, NATURAL_SHARE) if is_near else target


def _is_glass(own: str) -> bool:
    lightness, a, b = colour.oklab(own)
    return (
        lightness > GLASS_LIGHTNESS
        and math.hypot(a, b) > GLASS_CHROMA
        and GLASS_HUES[0] < math.atan2(b, a) < GLASS_HUES[1]
    )
