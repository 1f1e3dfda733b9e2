"""Watercolour: flowing washes, darker at their edges, on grainy paper."""

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice

PAPER = (253, 250, 243)
GRAIN_CELLS = 240
WASH_PX = 640
"""The washes are soft, so they are made with so many pixels along the shorter side at most."""


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Washes of the picture's colours, blended into the paper."""
    side = min(image.size)
    small = reduced(image, WASH_PX)
    washed = displaced(small, dice, min(small.size) / 90).filter(ImageFilter.ModeFilter(5))
    washed = washed.resize(image.size, Image.Resampling.BICUBIC)
    grey = washed.convert("L")
    rim = ImageChops.difference(grey, grey.filter(ImageFilter.GaussianBlur(side / 130)))
    rim = rim.point(lambda value: 255 - min(90, value * 2))
    washed = ImageChops.multiply(washed, Image.merge("RGB", (rim, rim, rim)))
    pale = Image.blend(ImageEnhance.Color(washed).enhance(1.15), Image.new("RGB", image.size, PAPER), 0.22)
    blotches = noise(dice.named("blotches"), image.size, 9).point(lambda value: 222 + value // 8)
    grain = noise(dice.named("grain"), image.size, GRAIN_CELLS).point(lambda value: 240 + value // 17)
    for layer in (blotches, grain):
        pale = ImageChops.multiply(pale, Image.merge("RGB", (layer, layer, layer)))
    return ImageEnhance.Brightness(pale).enhance(1.09)


def reduced(image: Image.Image, side_px: int) -> Image.Image:
    """The picture with at most so many pixels along its shorter side."""
    side = min(image.size)
    if side <= side_px:
        return image
    return image.resize((image.width * side_px // side, image.height * side_px // side), Image.Resampling.BOX)


def noise(dice: Dice, size: tuple[int, int], cells: int) -> Image.Image:
    """Soft noise with so many cells along the shorter side."""
    side = min(size)
    width, height = max(2, size[0] * cells // side), max(2, size[1] * cells // side)
    values = b"".join(dice.whole().to_bytes(8, "big") for _ in range(-(-width * height // 8)))
    return Image.frombytes("L", (width, height), values[: width * height]).resize(size, Image.Resampling.BICUBIC)


def displaced(image: Image.Image, dice: Dice, reach: float) -> Image.Image:
    """The picture with wavering edges: a mesh of quadrilaterals whose corners are moved by chance."""
    width, height = image.size
    step = max(8, min(width, height) // 22)
    columns, rows = -(-width // step), -(-height // step)
    corners = [
        [_moved(column * step, row * step, image.size, dice, reach) for column in range(columns + 1)]
        for row in range(rows + 1)
    ]
    mesh = []
    for row in range(rows):
        for column in range(columns):
            box = (column * step, row * step, min(width, (column + 1) * step), min(height, (row + 1) * step))
            upper, lower = corners[row], corners[row + 1]
            mesh.append((box, (*upper[column], *lower[column], *lower[column + 1], *upper[column + 1])))
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _moved(x: float, y: float, size: tuple[int, int], dice: Dice, reach: float) -> tuple[float, float]:
    """A corner moved by chance, but never out of the picture."""
    moved = x + dice.between(-reach, reach), y + dice.between(-reach, reach)
    return min(max(moved[0], 0.0), size[0] - 1.0), min(max(moved[1], 0.0), size[1] - 1.0)
