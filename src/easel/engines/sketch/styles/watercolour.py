"""Watercolour: flowing washes, darker at their edges, on grainy paper."""

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from easel.engines.sketch.composing.dice import Dice

PAPER = (253, 250, 243)
GRAIN_CELLS = 240
WASH_PX = 512
"""The washes are soft, so they are made with so many pixels along the shorter side at most."""
COLOURS = 96


def finish(image: Image.Image, dice: Dice) -> Image.Image:
    """Washes of the picture's colours, blended into the paper."""
    small = reduced(image, softened_px(image, WASH_PX))
    side = min(small.size)
    washed = dabbed(displaced(small, dice, side / 90), 5, COLOURS).filter(ImageFilter.SMOOTH)
    grey = washed.convert("L")
    rim = ImageChops.difference(grey, grey.filter(ImageFilter.GaussianBlur(side / 130)))
    rim = rim.point(lambda value: 255 - min(90, value * 2))
    blotches = noise(dice.named("blotches"), small.size, 9).point(lambda value: 222 + value // 8)
    pale = Image.blend(
        ImageEnhance.Color(multiplied(washed, rim)).enhance(1.15), Image.new("RGB", small.size, PAPER), 0.22
    )
    pale = multiplied(pale, blotches).point(lambda value: min(255, value * 109 // 100))
    grain = noise(dice.named("grain"), image.size, GRAIN_CELLS).point(lambda value: 240 + value // 17)
    return multiplied(pale.resize(image.size, Image.Resampling.BICUBIC), grain)


def softened_px(image: Image.Image, most_px: int) -> int:
    """With how many pixels along the shorter side what is soft is made: fewer than the picture has."""
    return min(most_px, min(image.size) * 3 // 4)


def dabbed(image: Image.Image, size_px: int, colours: int) -> Image.Image:
    """The picture in patches of one colour each: the most frequent around every pixel, of so many colours.

    The colours are counted by their number in a palette, which takes a third of the time of counting each channel.
    """
    few = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    numbers = Image.frombytes("L", few.size, few.tobytes()).filter(ImageFilter.ModeFilter(size_px))
    patches = Image.frombytes("P", few.size, numbers.tobytes())
    patches.putpalette(few.getpalette() or [])
    return patches.convert("RGB")


def multiplied(image: Image.Image, layer: Image.Image) -> Image.Image:
    """The picture darkened by a grey layer."""
    return ImageChops.multiply(image, Image.merge("RGB", (layer, layer, layer)))


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
