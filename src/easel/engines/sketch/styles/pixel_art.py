"""Pixel art: few large pixels in few colours."""

from PIL import Image

from easel.engines.sketch.composing.dice import Dice

PIXELS = 96
"""Along the shorter side."""
COLOURS = 40


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Large pixels with hard edges, at the exact size."""
    width, height = image.size
    cell = max(1, round(min(width, height) / PIXELS))
    small = image.resize((-(-width // cell), -(-height // cell)), Image.Resampling.BOX)
    few = small.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return few.resize((few.width * cell, few.height * cell), Image.Resampling.NEAREST).crop((0, 0, width, height))
