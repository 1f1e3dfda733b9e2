"""An oil painting: dabs of strong colour, with the marks of a bristle brush that goes over them from side to side."""

from typing import Final

from PIL import Image, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import dabbed, displaced, multiplied, noise, reduced, softened_px

DABS_PX: Final = 512
COLOURS: Final = 128
BRISTLES: Final = 230
"""How many bristles leave their marks along the shorter side."""
STROKE: Final = 10
"""How much longer than wide a mark is."""


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Dabs of colour with a relief of light."""
    small = reduced(image, softened_px(image, DABS_PX))
    dabs = dabbed(displaced(small, dice, min(small.size) / 110), 9, COLOURS)
    dabs = multiplied(dabs, _relief(dice.named("strokes"), small.size))
    return ImageEnhance.Color(dabs).enhance(1.3).resize(image.size, Image.Resampling.BICUBIC)


def _relief(dice: Dice, size: tuple[int, int]) -> Image.Image:
    """The marks of the bristles, and the thicker edges of the strokes that they are parts of."""
    long = noise(dice, (size[0], size[1] * STROKE), BRISTLES // STROKE).resize(size, Image.Resampling.BILINEAR)
    wave = displaced(long, dice.named("wave"), min(size) / 30)
    return wave.filter(ImageFilter.EMBOSS).point(lambda value: min(255, max(200, 236 + (value - 128) * 2 // 5)))
