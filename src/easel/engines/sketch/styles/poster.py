"""A screen-printed poster: few flat colours with hard edges."""

from PIL import Image, ImageEnhance

from easel.engines.sketch.composing.dice import Dice

COLOURS = 16


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Flat areas of strong colours."""
    strong = ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(1.2)).enhance(1.08)
    return strong.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
