"""Colours in Oklab, where equal steps look equal: mixing, lighting, and painting a thing in another colour.

Oklab is by Björn Ottosson (https://bottosson.github.io/posts/oklab/). Colours are `#rrggbb`. Results are rounded to
whole bytes, so that machines agree.
"""

import functools
import math
import re
from collections.abc import Callable
from typing import Final

Lab = tuple[float, float, float]

NAMED: Final = {
    "red": "#e0242f", "orange": "#f58220", "yellow": "#fccf2b", "gold": "#e0a526", "green": "#37a93c",
    "lime": "#9bdc28", "dark-green": "#2c6b33", "teal": "#1fb0a8", "blue": "#2368e0", "light-blue": "#7cc4f7",
    "dark-blue": "#1f2f80", "purple": "#8a3fc9", "pink": "#f58fb8", "magenta": "#e0359b", "brown": "#8a5630",
    "beige": "#e6d3b1", "white": "#f6f6f8", "black": "#2b2b33", "gray": "#8d9098", "silver": "#c3c8d0",
}  # fmt: skip
"""The colours that prompts can name."""

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b")
_NEUTRAL_CHROMA: Final = 0.035


def mix(first: str, second: str, share: float) -> str:
    """A colour between two: `share` 0 gives the first, 1 the second."""
    if share <= 0:
        return first
    a, b = oklab(first), oklab(second)
    return from_oklab((a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share))


def lighter(colour: str, by: float) -> str:
    """A colour with another lightness: from -1 to 1, where 0 leaves it as it is."""
    lightness, a, b = oklab(colour)
    return from_oklab((lightness + by, a, b))


def multiplied(colour: str, light: tuple[float, float, float]) -> str:
    """How a colour looks in coloured light."""
    channels = _channels(colour)
    return _hex(tuple(round(channel * factor) for channel, factor in zip(channels, light, strict=True)))


def mapped(markup: str, change: Callable[[str], str]) -> str:
    """Markup with each of its colours changed."""
    known: dict[str, str] = {}

    def changed(found: re.Match[str]) -> str:
        colour = found[0]
        if colour not in known:
            known[colour] = change(_long(colour))
        return known[colour]

    return _HEX.sub(changed, markup)


def painted(main: str, target: str) -> Callable[[str], str]:
    """Changes the colours of a thing whose main colour is `main` so that it is `target`, with its shading.

    Only what has about the hue of the main colour changes; if that is grey, only what is grey and about as light.
    """
    base, goal = oklab(main), oklab(target)
    base_chroma, goal_chroma = math.hypot(base[1], base[2]), math.hypot(goal[1], goal[2])

    def change(colour: str) -> str:
        own = oklab(colour)
        share = _share(own, base, base_chroma)
        if share <= 0:
            return colour
        chroma = math.hypot(own[1], own[2])
        ratio = chroma / base_chroma if base_chroma > _NEUTRAL_CHROMA else 1.0
        new_chroma = goal_chroma * min(1.3, 0.35 + 0.65 * ratio)
        unit = (goal[1] / goal_chroma, goal[2] / goal_chroma) if goal_chroma > 1e-6 else (0.0, 0.0)
        lightness = goal[0] + (own[0] - base[0]) * 0.8
        new = (lightness, unit[0] * new_chroma, unit[1] * new_chroma)
        return from_oklab(tuple(o + (n - o) * share for o, n in zip(own, new, strict=True)))  # type: ignore[arg-type]

    return change


def _share(own: Lab, base: Lab, base_chroma: float) -> float:
    """How much a colour belongs to the main one, 0 to 1."""
    chroma = math.hypot(own[1], own[2])
    if base_chroma <= _NEUTRAL_CHROMA:
        if chroma > 0.07:
            return 0.0
        return max(0.0, min(1.0, (0.42 - abs(own[0] - base[0])) / 0.12))
    if chroma < 0.015:
        return 0.0
    apart = abs(math.atan2(own[2], own[1]) - math.atan2(base[2], base[1]))
    apart = min(apart, 2 * math.pi - apart)
    return max(0.0, min(1.0, (1.15 - apart) / 0.35)) * min(1.0, chroma / 0.04)


@functools.lru_cache(maxsize=20_000)
def oklab(colour: str) -> Lab:
    """A colour as lightness (0 to 1), green to red, and blue to yellow."""
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def from_oklab(lab: Lab) -> str:
    """The nearest colour that a screen can show."""
    lightness = min(1.0, max(0.0, lab[0]))
    long = (lightness + 0.3963377774 * lab[1] + 0.2158037573 * lab[2]) ** 3
    middle = (lightness - 0.1055613458 * lab[1] - 0.0638541728 * lab[2]) ** 3
    short = (lightness - 0.0894841775 * lab[1] - 1.2914855480 * lab[2]) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    return _hex(tuple(round(255 * _gamma(channel)) for channel in linear))


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else math.pow((channel + 0.055) / 1.055, 2.4)


def _gamma(channel: float) -> float:
    if channel <= 0.0031308:
        return max(0.0, 12.92 * channel)
    return min(1.0, 1.055 * math.pow(channel, 1 / 2.4) - 0.055)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(channels: tuple[int, ...]) -> str:
    return "#" + "".join(f"{min(255, max(0, channel)):02x}" for channel in channels)


def _long(colour: str) -> str:
    return colour.lower() if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:].lower())
