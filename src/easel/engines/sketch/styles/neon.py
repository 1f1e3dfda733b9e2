"""Neon: glowing outlines in the dark."""

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice

DARK = (10, 8, 26)


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Bright edges with a halo over a darkened picture."""
    side = min(image.size)
    edges = []
    for channel in image.split():
        soft = channel.filter(ImageFilter.GaussianBlur(max(1, side / 260)))
        edges.append(ImageChops.difference(channel, soft).point(lambda value: min(255, max(0, value - 3) * 12)))
    lines = Image.merge("RGB", edges)
    tint = ImageEnhance.Color(image).enhance(2.2)
    lines = ImageChops.multiply(lines, ImageEnhance.Brightness(tint).enhance(1.4))
    glow = lines.filter(ImageFilter.GaussianBlur(side / 90))
    dark = Image.blend(ImageEnhance.Brightness(image).enhance(0.28), Image.new("RGB", image.size, DARK), 0.45)
    return ImageChops.screen(ImageChops.screen(dark, ImageEnhance.Brightness(glow).enhance(1.8)), lines)
