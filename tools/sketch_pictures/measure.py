"""Measures a picture on its pixels: the box that it fills, what of it touches the ground, and its main colour."""

from collections import Counter
from typing import Final

from PIL import Image

from easel.engines.sketch.painting.vector_canvas import VectorCanvas
from easel.engines.sketch.pictures.picture_pack import ID_MARK, SIDE, Entry

SIDE_PX: Final = 128
SOLID_ALPHA: Final = 60
BASE_SHARE: Final = 12


def measured(name: str, emoji: str, category: str, body: str) -> tuple[Entry, str]:
    """The picture's row in the index, and its body."""
    image = drawn(body, SIDE_PX)
    solid = image.getchannel("A").point(lambda alpha: 255 if alpha >= SOLID_ALPHA else 0)
    left, top, right, bottom = solid.getbbox() or (0, 0, SIDE_PX, SIDE_PX)
    lowest = solid.crop((left, bottom - max(2, (bottom - top) // BASE_SHARE), right, bottom)).getbbox()
    assert lowest is not None
    unit = SIDE / SIDE_PX
    box = (left * unit, top * unit, right * unit, bottom * unit)
    base = ((left + lowest[0]) * unit, (left + lowest[2]) * unit)
    return Entry(name, emoji, category, main_colour(image), box, base), body


def drawn(body: str, side_px: int) -> Image.Image:
    """The picture alone, with premultiplied alpha."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {SIDE} {SIDE}">'
    with VectorCanvas(side_px, side_px) as canvas:
        canvas.paint(f"{head}{body.replace(ID_MARK, 'm')}</svg>")
        return canvas.image()


def main_colour(image: Image.Image) -> str:
    """The mean of the most frequent of 512 cells of colour."""
    cells: Counter[tuple[int, int, int]] = Counter()
    sums: dict[tuple[int, int, int], list[int]] = {}
    data = image.tobytes()
    for at in range(0, len(data), 4):
        if data[at + 3] < 250:
            continue
        pixel = data[at], data[at + 1], data[at + 2]
        cell = pixel[0] >> 5, pixel[1] >> 5, pixel[2] >> 5
        cells[cell] += 1
        total = sums.setdefault(cell, [0, 0, 0])
        for channel in range(3):
            total[channel] += pixel[channel]
    if not cells:
        return "#808080"
    cell, count = cells.most_common(1)[0]
    return "#" + "".join(f"{total // count:02x}" for total in sums[cell])
