"""Makes the outlines of letters that the sketch engine writes on signs, from a package of npm.

    npm pack @fontsource/nunito
    python -m tools.sketch_letters FONTSOURCE_NUNITO.tgz

Nunito ExtraBold has the letters of the Latin, Cyrillic and Vietnamese alphabets. With the same package the bytes are
the same.
"""

import io
import json
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any, Final

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont

from easel.engines.sketch.painting.lettering import LETTERS

SUBSETS: Final = ("latin", "latin-ext", "cyrillic", "vietnamese")


def main(package: Path) -> None:
    """Write the outlines into the package."""
    letters: dict[str, tuple[int, str]] = {}
    with tarfile.open(package) as archive:
        for subset in SUBSETS:
            file = archive.extractfile(f"package/files/nunito-{subset}-800-normal.woff")
            assert file is not None
            letters = dict(_outlines(TTFont(io.BytesIO(file.read())))) | letters
    data = json.dumps(letters, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    LETTERS.write_bytes(zlib.compress(data, 9))
    print(f"{LETTERS}: {len(letters)} letters, {LETTERS.stat().st_size / 1000:.0f} kB")


def _outlines(font: Any) -> Any:
    glyphs = font.getGlyphSet()
    scale = 1000 / font["head"].unitsPerEm
    for code, name in sorted(font.getBestCmap().items()):
        pen = SVGPathPen(glyphs, ntos=lambda number: f"{round(number * scale)}")
        glyphs[name].draw(pen)
        yield chr(code), (round(glyphs[name].width * scale), pen.getCommands())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
