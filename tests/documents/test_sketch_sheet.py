"""The contact sheet of Easel Sketch is the one that the documents describe."""

import re

from PIL import Image
from tools.sketch_sheet import CELL_PX, GAP_PX, PLACES, SHEET

from tests.support.paths import ROOT


def test_the_document_lists_the_prompts_of_the_sheet_in_order() -> None:
    page = (ROOT / "docs/reference/sketch.md").read_text(encoding="utf-8")
    rows = [
        " ".join(row.replace("\n> ", " ").split()) for row in re.findall(r"(?<=^> )(?:.+\n)(?:> .+\n)*", page, re.M)
    ]
    listed = [prompt for row in rows for prompt in row.split(" · ")]
    assert listed == [place.prompt for place in sorted(PLACES, key=lambda place: (place.row, place.column))]


def test_pictures_of_the_sheet_fill_it_without_overlap() -> None:
    cells = [
        (place.column + column, place.row + row)
        for place in PLACES
        for column in range(place.columns)
        for row in range(place.rows)
    ]
    columns, rows = (1 + max(cell[axis] for cell in cells) for axis in (0, 1))
    assert sorted(cells) == [(column, row) for column in range(columns) for row in range(rows)]
    with Image.open(ROOT / SHEET) as sheet:
        assert sheet.size == (columns * (CELL_PX + GAP_PX) - GAP_PX, rows * (CELL_PX + GAP_PX) - GAP_PX)
