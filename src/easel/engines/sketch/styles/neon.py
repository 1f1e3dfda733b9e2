"""Neon: glowing outlines in the dark."""

from typing import Final

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import reduced

DARK: Final = (10, 8, 26)
GLOW_PX: Final = 384
"""The glow is soft, so it is made with so many pixels along the shorter side at most."""


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Bright edges with a halo over a darkened picture."""
    soft = image.filter(ImageFilter.BoxBlur(max(1, min(image.size) / 260)))
    edges = ImageChops.difference(image, soft).point([min(255, max(0, value - 3) * 12) for value in range(256)] * 3)
    lines = ImageChops.multiply(edges, ImageEnhance.Color(image).enhance(2.2).point(lambda value: value * 7 // 5))
    small = reduced(lines, GLOW_PX)
    glow = small.filter(ImageFilter.GaussianBlur(min(small.size) / 90)).point(lambda value: value * 9 // 5)
    halo = glow.resize(image.size, Image.Resampling.BILINEAR)
    dark = Image.blend(image.point(lambda value: value * 7 // 25), Image.new("RGB", image.size, DARK), 0.45)
    return ImageChops.screen(ImageChops.screen(dark, halo), lines)
