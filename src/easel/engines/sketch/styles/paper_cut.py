"""Paper cut: flat layers of paper whose edges throw small shadows."""

from PIL import Image, ImageChops, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import noise

COLOURS = 18


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Few colours, each a sheet with a shadow below its edge and the grain of paper."""
    side = min(image.size)
    few = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    flat = few.convert("RGB")
    grey = flat.convert("L")
    reach = max(1, side // 180)
    shifted = ImageChops.offset(grey, reach, reach).filter(ImageFilter.GaussianBlur(side / 220))
    shadow = ImageChops.subtract(shifted, grey).point(lambda value: 255 - min(110, value))
    grain = noise(dice, image.size, 220).point(lambda value: 238 + value // 15)
    for layer in (shadow, grain):
        flat = ImageChops.multiply(flat, Image.merge("RGB", (layer, layer, layer)))
    return flat
