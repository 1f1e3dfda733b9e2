"""An oil painting: short strokes that follow a wavering brush, on canvas."""

from PIL import Image, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import dabbed, displaced, multiplied, noise, reduced

DABS_PX = 512
COLOURS = 128


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Dabs of colour with a relief of light."""
    small = reduced(image, DABS_PX)
    dabs = dabbed(displaced(small, dice, min(small.size) / 130), 7, COLOURS)
    strong = ImageEnhance.Color(dabs).enhance(1.25).resize(image.size, Image.Resampling.BICUBIC)
    strokes = noise(dice.named("strokes"), image.size, 70)
    relief = strokes.filter(ImageFilter.EMBOSS).point(lambda value: min(255, 178 + value * 3 // 5))
    return multiplied(strong, relief)
