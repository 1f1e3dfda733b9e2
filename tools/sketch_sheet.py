"""Draws the contact sheet of Easel Sketch: fixed prompts in several languages and shapes, one seed, no selection.

python -m tools.sketch_sheet [FILE]
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from easel.engines.engine import Drawing
from easel.engines.sketch.engine import Sketch

SHEET: Final = Path("docs/sketch.webp")
SEED: Final = 1
CELL_PX: Final = 200
GAP_PX: Final = 4
SCALE: Final = 3
"""How much larger a picture is drawn than it is shown."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture stands on the sheet, in cells."""

    prompt: str
    column: int
    row: int
    columns: int = 1
    rows: int = 1

    @property
    def shown_px(self) -> tuple[int, int]:
        """Width and height on the sheet."""
        return _span_px(self.columns), _span_px(self.rows)


PLACES: Final = (
    Place("a bowl of ramen", 0, 0),
    Place("a woman reading a book in a café", 1, 0),
    Place("an astronaut riding a horse", 2, 0),
    Place("un gato negro y un perro blanco en la playa", 3, 0, columns=2),
    Place("a lighthouse in a storm at night", 5, 0, rows=2),
    Place("a rocket flying to the moon", 0, 1, rows=2),
    Place("a purple elephant next to a small yellow car", 1, 1),
    Place("three cats on a bench in the park", 2, 1, columns=2),
    Place("ein roter Ball unter einem Tisch", 4, 1),
    Place("a sailboat on the sea at sunset", 1, 2, columns=2),
    Place("雪の中のペンギン", 3, 2),
    Place("a girl with a yellow umbrella in the rain", 4, 2, rows=2),
    Place("a fox in a forest in autumn, watercolor", 5, 2),
    Place("trois oiseaux bleus dans le ciel", 0, 3),
    Place("一个骑着马的宇航员", 1, 3),
    Place('a shop with a sign that says "OPEN"', 2, 3),
    Place("a robot playing guitar on stage", 3, 3, rows=2),
    Place("a dragon and a castle, pixel art", 5, 3),
    Place("a field of sunflowers under a blue sky", 0, 4, columns=2),
    Place("a lion behind a tree", 2, 4),
    Place("красная машина в городе ночью", 4, 4, columns=2),
)


def main(file: Path) -> None:
    """Draw the sheet and write it to the file."""
    sketch = Sketch()
    sketch.load()
    columns = max(place.column + place.columns for place in PLACES)
    rows = max(place.row + place.rows for place in PLACES)
    sheet = Image.new("RGB", (_span_px(columns), _span_px(rows)), "white")
    for place in PLACES:
        sheet.paste(_drawn(sketch, place), (place.column * (CELL_PX + GAP_PX), place.row * (CELL_PX + GAP_PX)))
    sheet.save(file, quality=88, method=6)
    print(f"{file}: {sheet.width}x{sheet.height}, {file.stat().st_size // 1000} kB")


def _span_px(cells: int) -> int:
    return cells * (CELL_PX + GAP_PX) - GAP_PX


def _drawn(sketch: Sketch, place: Place) -> Image.Image:
    width_px, height_px = (SCALE * side_px for side_px in place.shown_px)
    pixels = sketch.draw(Drawing(place.prompt, width_px, height_px, SEED), lambda _done, _total: None)
    picture = Image.frombytes("RGB", (width_px, height_px), pixels.rgb)
    return picture.resize(place.shown_px, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHEET)
