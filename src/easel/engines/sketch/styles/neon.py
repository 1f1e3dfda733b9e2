"""Neon: glowing outlines in the dark."""

from typing import Final

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import reduced

DARK: Final = (10, 8, 26)
DARK_SHARE: Final = 0.45
DIMMED: Final = 0.28
"""How bright the picture between the lines is, before it is mixed with the dark."""
GLOW_PX: Final = 384
"""The glow is soft, so it is made with so many pixels along the shorter side at most."""


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Bright edges with a halo over a darkened picture."""
    lines = _lines(image)
    lit = ImageChops.screen(_darkened(image), _halo(lines))
    return ImageChops.screen(lit, lines)


def _lines(image: Image.Image) -> Image.Image:
    soft = image.filter(ImageFilter.BoxBlur(max(1, min(image.size) / 260)))
    edges = ImageChops.difference(image, soft).point([min(255, max(0, value - 3) * 12) for value in range(256)] * 3)
    del soft  # because it is as large as the picture
    return ImageChops.multiply(edges, ImageEnhance.Color(image).enhance(2.2).point(lambda value: value * 7 // 5))


def _halo(lines: Image.Image) -> Image.Image:
    small = reduced(lines, GLOW_PX)
    glow = small.filter(ImageFilter.GaussianBlur(min(small.size) / 90)).point(lambda value: value * 9 // 5)
    return glow.resize(lines.size, Image.Resampling.BILINEAR)


def _darkened(image: Image.Image) -> Image.Image:
    """The picture with little light, in one step, so that no copy of it is needed."""
    share = (1 - DARK_SHARE) * DIMMED
    return image.point([round(share * value + DARK_SHARE * dark) for dark in DARK for value in range(256)])
