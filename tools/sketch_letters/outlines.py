"""The outlines of a font in a package of npm, shaped as the script asks for it."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uharfbuzz
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont

Shape = tuple[int, str]
"""The width and the outline, in thousandths of the size, y upwards."""


class Outlines:
    """One font of a package `fontsource-NAME-VERSION.tgz` in a folder."""

    def __init__(self, folder: Path, package: str, file: str) -> None:
        with tarfile.open(_package(folder, package)) as archive:
            member = archive.extractfile(f"package/files/{file}")
            assert member is not None
            self._open(member.read())

    @classmethod
    def all_of(cls, folder: Path, package: str, ending: str) -> Iterator["Outlines"]:
        """All numbered parts of a font that is too large for one file."""
        with tarfile.open(_package(folder, package)) as archive:
            for member in archive.getmembers():
                if re.search(rf"/{package}-\d+-{re.escape(ending)}$", member.name):
                    file = archive.extractfile(member)
                    assert file is not None
                    part = cls.__new__(cls)
                    part._open(file.read())
                    yield part

    def _open(self, data: bytes) -> None:
        self._font: Any = TTFont(io.BytesIO(data))
        self._font.flavor = None
        plain = io.BytesIO()
        self._font.save(plain)
        self._shaper = uharfbuzz.Font(uharfbuzz.Face(plain.getvalue()))
        self._scale = 1000 / self._font["head"].unitsPerEm
        self._glyphs = self._font.getGlyphSet()

    def characters(self) -> set[str]:
        """The characters that the font has, without those that cannot be seen."""
        return {chr(code) for code in self._font.getBestCmap() if chr(code).isprintable()}

    def has(self, text: str) -> bool:
        """Whether the font has all characters of a text, apart from joiners."""
        return all(ord(character) in self._font.getBestCmap() for character in text if character != "\u200d")

    def shape(self, text: str) -> Shape:
        """The width and the outline of a text that is drawn as one shape."""
        buffer = uharfbuzz.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        uharfbuzz.shape(self._shaper, buffer, {"kern": False})
        pen, at, order = SVGPathPen(self._glyphs, ntos=lambda number: f"{round(number)}"), 0, self._font.getGlyphOrder()
        for glyph, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            x, y = at + place.x_offset, place.y_offset
            scale = self._scale
            self._glyphs[order[glyph.codepoint]].draw(TransformPen(pen, (scale, 0, 0, scale, scale * x, scale * y)))
            at += place.x_advance
        return round(at * self._scale), pen.getCommands()


def _package(folder: Path, package: str) -> Path:
    return next(folder.glob(f"fontsource-{package}-[0-9]*.tgz"))
