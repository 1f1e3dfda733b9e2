"""Draws the contact sheet of the documents with the built-in model: fixed prompts, one seed, no selection.

    python -m tools.contact_sheet [FILE]

The bytes may differ on another machine, because of rounding.
"""

import sys
from pathlib import Path
from typing import Final

from PIL import Image

from easel.engines.engine import Drawing
from easel.engines.nano.engine import Nano

SHEET: Final = Path("docs/nano.webp")
SEED: Final = 1
COLUMNS: Final = 6
CELL_PX: Final = 200
GAP_PX: Final = 4
DRAWN_PX: Final = 512
WIDE_PX: Final = (1280, 720)
PROMPTS: Final = (
    "a cute cat", "a dog on a beach", "a blue car in the desert", "a penguin in the snow", "a rabbit at night",
    "a rocket in space", "a red apple on a white background", "a big elephant in a meadow",
    "a lion at sunset, highly detailed", "two penguins in a field", "a sailboat on the sea", "a house in the mountains",
    "a robot on a yellow background", "a purple butterfly in a garden", "a cat to the left of a tree",
    "a plane above a house", "一只可爱的熊猫在草地上", "一只红色的小鸟在天空中",
)  # fmt: skip
WIDE_PROMPTS: Final = ("a cat in a meadow at sunset", "a car on a beach", "a fish in the ocean")


def main(file: Path) -> None:
    """Draw the sheet and write it to the file."""
    nano = Nano()
    nano.load()
    squares = [_drawn(nano, prompt, (DRAWN_PX, DRAWN_PX), (CELL_PX, CELL_PX)) for prompt in PROMPTS]
    width_px = COLUMNS * (CELL_PX + GAP_PX) - GAP_PX
    wide_px = (width_px + GAP_PX) // len(WIDE_PROMPTS) - GAP_PX
    wide_size = wide_px, wide_px * WIDE_PX[1] // WIDE_PX[0]
    wides = [_drawn(nano, prompt, WIDE_PX, wide_size) for prompt in WIDE_PROMPTS]
    rows = -(-len(squares) // COLUMNS)
    sheet = Image.new("RGB", (width_px, rows * (CELL_PX + GAP_PX) + wide_size[1]), "white")
    for index, picture in enumerate(squares):
        row, column = divmod(index, COLUMNS)
        sheet.paste(picture, (column * (CELL_PX + GAP_PX), row * (CELL_PX + GAP_PX)))
    for index, picture in enumerate(wides):
        sheet.paste(picture, (index * (wide_px + GAP_PX), rows * (CELL_PX + GAP_PX)))
    sheet.save(file, quality=85, method=6)
    print(f"{file}: {sheet.width}x{sheet.height}, {file.stat().st_size // 1000} kB")


def _drawn(nano: Nano, prompt: str, size_px: tuple[int, int], shown_px: tuple[int, int]) -> Image.Image:
    pixels = nano.draw(Drawing(prompt, *size_px, SEED), lambda _done, _total: None)
    return Image.frombytes("RGB", size_px, pixels.rgb).resize(shown_px, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHEET)
