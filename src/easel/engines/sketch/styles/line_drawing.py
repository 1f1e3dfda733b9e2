"""A drawing in dark lines on paper, with a breath of shade."""

from PIL import Image, ImageChops, ImageFilter, ImageOps

from easel.engines.sketch.composing.dice import Dice

PAPER = (252, 250, 245)
INK = (38, 40, 52)


def finish(image: Image.Image, _dice: Dice) -> Image.Image:
    """Lines where colours meet: where each pixel differs from its blurred surroundings."""
    side = min(image.size)
    lines = Image.new("L", image.size, 255)
    for channel in image.split():
        soft = channel.filter(ImageFilter.GaussianBlur(max(0.8, side / 420)))
        difference = ImageChops.difference(channel, soft)
        edge = difference.point(lambda value: max(0, 255 - max(0, value - 2) * 16))
        lines = ImageChops.darker(lines, edge)
    shade = ImageOps.posterize(image.convert("L"), 2).point(lambda value: 214 + value // 6)
    grey = ImageChops.multiply(lines.filter(ImageFilter.GaussianBlur(side / 1600)), shade)
    return ImageOps.colorize(grey, INK, PAPER)
