"""Writes quoted words as outlines, so that neither a font nor a text of a prompt gets into the markup.

`letters.json.z` is made by `python -m tools.sketch_letters` from Nunito ExtraBold: for each character its width and its
outline, in thousandths of the size, y upwards from the base line. It has the Latin, Cyrillic and Vietnamese letters;
texts in other scripts are not written.
"""

import functools
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from easel.engines.sketch.painting.markup import n

LETTERS: Final = Path(__file__).parent / "letters.json.z"
LINES_MAX: Final = 3
LINE_HEIGHT: Final = 1.12
CAPITAL_HEIGHT: Final = 0.71


@functools.cache
def _letters() -> Mapping[str, tuple[int, str]]:
    read: dict[str, tuple[int, str]] = json.loads(zlib.decompress(LETTERS.read_bytes()))
    return read


def can_write(text: str) -> bool:
    """Whether every character of a text has an outline."""
    return bool(text.strip()) and all(character in _letters() for character in text)


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
    for character in text:
        advance, outline = _letters()[character]
        if outline:
            painted += f'<path transform="translate({at} 0)" d="{outline}"/>'
        at += advance
    return f'<g fill="{fill}" transform="translate({n(x)} {n(y)}) scale({size / 1000:.5f} {-size / 1000:.5f})">{painted}</g>'


def _lines(text: str, count: int) -> list[str]:
    """A text in at most `count` lines of about the same length."""
    words = text.split()
    goal = len(text) / count
    lines = [words[0]]
    for word in words[1:]:
        if len(lines) < count and len(lines[-1]) + len(word) / 2 >= goal:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines


def _width(line: str) -> float:
    return sum(_letters()[character][0] for character in line) / 1000


def _size(lines: list[str], width: float, height: float) -> float:
    return min(width / max(0.3, *map(_width, lines)), height / (len(lines) * LINE_HEIGHT))
