"""An oil painting: short strokes that follow a wavering brush, on canvas."""

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.styles.watercolour import displaced, noise, reduced

DABS_PX = 640


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Dabs of colour with a relief of light."""
    small = reduced(image, DABS_PX)
    dabbed = displaced(small, dice, min(small.size) / 130).filter(ImageFilter.ModeFilter(7))
    dabbed = dabbed.resize(image.size, Image.Resampling.BICUBIC)
    strokes = noise(dice.named("strokes"), image.size, 70)
    relief = strokes.filter(ImageFilter.EMBOSS).point(lambda value: min(255, 178 + value * 3 // 5))
    lit = ImageChops.multiply(dabbed, Image.merge("RGB", (relief, relief, relief)))
    return ImageEnhance.Color(lit).enhance(1.25)
