"""Draws the contact sheet of the sketch engine: fixed prompts in several languages and shapes, one seed, no selection.

python -m tools.sketch_sheet [FILE]
"""

import sys
from pathlib import Path
from typing import Final

from PIL import Image

from easel.engines.engine import Drawing
from easel.engines.sketch.engine import Sketch

SHEET: Final = Path("docs/sketch.webp")
SEED: Final = 1
COLUMNS: Final = 6
CELL_PX: Final = 200
GAP_PX: Final = 4
DRAWN_PX: Final = 600
WIDE_PX: Final = (1224, 600)
PROMPTS: Final = (
    "a bowl of ramen", "a woman reading a book in a café", "an astronaut riding a horse",
    "un gato negro y un perro blanco en la playa", "three cats on a bench in the park", "a lighthouse in a storm at night",
    "a purple elephant next to a small yellow car", "ein roter Ball unter einem Tisch", "雪の中のペンギン",
    "a fox in a forest in autumn, watercolor", "a girl with a yellow umbrella in the rain", "a rocket flying to the moon",
    "trois oiseaux bleus dans le ciel", "a robot playing guitar on stage", "一个骑着马的宇航员",
    'a shop with a sign that says "OPEN"', "a dragon and a castle, pixel art", "a lion behind a tree",
)  # fmt: skip
WIDE_PROMPTS: Final = (
    "a sailboat on the sea at sunset", "a field of sunflowers under a blue sky", "красная машина в городе ночью",
)  # fmt: skip


def main(file: Path) -> None:
    """Draw the sheet and write it to the file."""
    sketch = Sketch()
    sketch.load()
    width_px = COLUMNS * (CELL_PX + GAP_PX) - GAP_PX
    wide_px = 2 * CELL_PX + GAP_PX
    rows = -(-len(PROMPTS) // COLUMNS)
    sheet = Image.new("RGB", (width_px, (rows + 1) * (CELL_PX + GAP_PX) - GAP_PX), "white")
    for index, prompt in enumerate(PROMPTS):
        row, column = divmod(index, COLUMNS)
        picture = _drawn(sketch, prompt, (DRAWN_PX, DRAWN_PX), (CELL_PX, CELL_PX))
        sheet.paste(picture, (column * (CELL_PX + GAP_PX), row * (CELL_PX + GAP_PX)))
    for index, prompt in enumerate(WIDE_PROMPTS):
        picture = _drawn(sketch, prompt, WIDE_PX, (wide_px, CELL_PX))
        sheet.paste(picture, (index * (wide_px + GAP_PX), rows * (CELL_PX + GAP_PX)))
    sheet.save(file, quality=88, method=6)
    print(f"{file}: {sheet.width}x{sheet.height}, {file.stat().st_size // 1000} kB")


def _drawn(sketch: Sketch, prompt: str, size_px: tuple[int, int], shown_px: tuple[int, int]) -> Image.Image:
    pixels = sketch.draw(Drawing(prompt, *size_px, SEED), lambda _done, _total: None)
    return Image.frombytes("RGB", size_px, pixels.rgb).resize(shown_px, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHEET)
