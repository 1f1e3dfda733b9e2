"""Makes the outlines of letters that the sketch engine writes on signs, from packages of npm.

    npm pack @fontsource/nunito @fontsource/noto-sans-{arabic,devanagari,sc,jp,kr}
    python -m tools.sketch_letters FOLDER_WITH_THE_PACKAGES

Nunito ExtraBold has the letters of the Latin, Cyrillic and Vietnamese alphabets; the others are Noto Sans Bold. With
the same packages the bytes are the same.
"""

import json
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Final

from easel.engines.sketch.painting.lettering import LETTERS, block_of
from tools.sketch_letters import repertoire
from tools.sketch_letters.outlines import Outlines, Shape

NUNITO: Final = ("latin", "latin-ext", "cyrillic", "vietnamese")
EAST_ASIAN: Final = ("sc", "jp", "kr")
TIME: Final = (1980, 1, 1, 0, 0, 0)


def main(folder: Path) -> None:
    """Write the outlines into the package."""
    letters: dict[str, Shape] = {}
    for subset in NUNITO:
        font = Outlines(folder, "nunito", f"nunito-{subset}-800-normal.woff")
        letters = {character: font.shape(character) for character in font.characters()} | letters
    arabic = Outlines(folder, "noto-sans-arabic", "noto-sans-arabic-arabic-700-normal.woff")
    letters |= {form: arabic.shape(form) for form in repertoire.arabic() if arabic.has(form)}
    hindi = Outlines(folder, "noto-sans-devanagari", "noto-sans-devanagari-devanagari-700-normal.woff")
    letters |= {syllable: hindi.shape(syllable) for syllable in repertoire.devanagari() if hindi.has(syllable)}
    for name in EAST_ASIAN:
        wanted = set(repertoire.EAST_ASIAN[name]()) - letters.keys()
        for font in Outlines.all_of(folder, f"noto-sans-{name}", "700-normal.woff"):
            letters |= {character: font.shape(character) for character in sorted(wanted & font.characters())}
    _write(letters)
    print(f"{LETTERS}: {len(letters)} shapes, {LETTERS.stat().st_size / 1000:.0f} kB")


def _write(letters: dict[str, Shape]) -> None:
    blocks: defaultdict[str, dict[str, Shape]] = defaultdict(dict)
    for name, shape in letters.items():
        blocks[block_of(name)][name] = shape
    with zipfile.ZipFile(LETTERS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for block, shapes in sorted(blocks.items()):
            data = json.dumps(shapes, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            archive.writestr(zipfile.ZipInfo(block, TIME), data, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
