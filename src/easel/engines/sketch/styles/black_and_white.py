"""Black and white, with the contrast of a photograph."""

from PIL import Image, ImageOps

from easel.engines.sketch.composing.dice import Dice


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Grey values, stretched from black to white."""
    return ImageOps.autocontrast(image.convert("L"), cutoff=1).convert("RGB")
