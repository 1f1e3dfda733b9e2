"""Paper cut: flat layers of paper whose edges throw small shadows."""

from typing import Final

from PIL import Image, ImageChops, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import multiplied, noise

COLOURS: Final = 18


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Few colours, each a sheet with a shadow below its edge and the grain of paper."""
    flat = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return multiplied(flat, ImageChops.multiply(_shadow(flat), _grain(dice, image.size)))


def _shadow(flat: Image.Image) -> Image.Image:
    """White, and grey below and beside what is lighter."""
    side, grey = min(flat.size), flat.convert("L")
    reach = max(1, side // 180)
    shifted = ImageChops.offset(grey, reach, reach).filter(ImageFilter.GaussianBlur(side / 220))
    return ImageChops.subtract(shifted, grey).point(lambda value: 255 - min(110, value))


def _grain(dice: Dice, size: tuple[int, int]) -> Image.Image:
    return noise(dice, size, 220).point(lambda value: 238 + value // 15)
