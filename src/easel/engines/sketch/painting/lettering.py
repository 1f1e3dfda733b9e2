"""Writes quoted words as outlines, so that neither a font nor a text of a prompt gets into the markup.

`letters.zip` is made by `python -m tools.sketch_letters`: for each shape of `scripts.py` its width and its outline, in
thousandths of the size, y upwards from the base line. A file in it has the shapes whose first character is in the same
256 of Unicode, and is read when one of them is written. It has Latin, Cyrillic, Arabic and
Devanagari letters, kana, and the commonest Chinese characters and Korean syllables; other texts are not written.
"""

import functools
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from easel.engines.sketch.painting.markup import n
from easel.engines.sketch.painting.scripts import JOINER, shapes

LETTERS: Final = Path(__file__).parent / "letters.zip"
BLOCKS_KEPT: Final = 16
"""How many files of shapes are kept in memory."""
LINES_MAX: Final = 3
LINE_HEIGHT: Final = 1.12
CAPITAL_HEIGHT: Final = 0.71
PIECES: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]|[^\\s\u3040-\u30ff\u3400-\u9fff]+")
"""What stays on one line: words, and each of the characters that are written without spaces."""

Shape = tuple[int, str]


def block_of(shape: str) -> str:
    """The name of the file that a shape is in."""
    return f"{ord(shape.lstrip(JOINER)[0]) >> 8:02x}.json"


@functools.cache
def _blocks() -> frozenset[str]:
    with zipfile.ZipFile(LETTERS) as archive:
        return frozenset(archive.namelist())


@functools.lru_cache(maxsize=BLOCKS_KEPT)
def _block(name: str) -> Mapping[str, Shape]:
    if name not in _blocks():
        return {}
    with zipfile.ZipFile(LETTERS) as archive:
        read: dict[str, Shape] = json.loads(archive.read(name))
    return read


def _shape(shape: str) -> Shape | None:
    return _block(block_of(shape)).get(shape)


def can_write(text: str) -> bool:
    """Whether everything of a text has an outline."""
    return bool(text.strip()) and all(_shape(shape) is not None for shape in shapes(text))


def written(text: str, x: float, y: float, width: float, height: float, fill: str) -> str:
    """A text as large as it fits into a box around the middle `x`, `y`."""
    best = max(
        (_lines(text, count) for count in range(1, LINES_MAX + 1)), key=lambda lines: _size(lines, width, height)
    )
    size = _size(best, width, height)
    top = y - (len(best) - 1) * size * LINE_HEIGHT / 2 + size * CAPITAL_HEIGHT / 2
    return "".join(
        _line(line, x - _width(line) * size / 2, top + number * size * LINE_HEIGHT, size, fill)
        for number, line in enumerate(best)
    )


def _line(text: str, x: float, y: float, size: float, fill: str) -> str:
    painted, at = "", 0
    for advance, outline in _shapes_of(text):
        if outline:
            painted += f'<path transform="translate({at} 0)" d="{outline}"/>'
        at += advance
    return f'<g fill="{fill}" transform="translate({n(x)} {n(y)}) scale({size / 1000:.5f} {-size / 1000:.5f})">{painted}</g>'


def _shapes_of(text: str) -> list[Shape]:
    return [shape for name in shapes(text) if (shape := _shape(name)) is not None]


def _lines(text: str, count: int) -> list[str]:
    """A text in at most `count` lines of about the same length."""
    goal, end = len(text) / count, 0
    lines: list[str] = []
    for piece in PIECES.finditer(text):
        space = " " if piece.start() > end else ""
        end = piece.end()
        if not lines or (len(lines) < count and len(lines[-1]) + len(piece[0]) / 2 >= goal):
            lines.append(piece[0])
        else:
            lines[-1] += space + piece[0]
    return lines


def _width(line: str) -> float:
    return sum(advance for advance, _ in _shapes_of(line)) / 1000


def _size(lines: Sequence[str], width: float, height: float) -> float:
    return min(width / max(0.3, *map(_width, lines)), height / (len(lines) * LINE_HEIGHT))
