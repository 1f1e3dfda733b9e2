"""Makes the file of pictures that the sketch engine draws with, from two packages of npm.

    npm pack @iconify-json/fluent-emoji @iconify-json/noto
    python -m tools.sketch_pictures FLUENT_EMOJI.tgz NOTO.tgz

Microsoft's Fluent Emoji come first, and Google's Noto Emoji fill the gaps. Skin tones are left out, except for whole
people. What the painter cannot paint is taken out, and what only costs time (`tools/sketch_pictures/body.py`). The
drawn box and the main colour of each picture are measured on its pixels. With the same packages the bytes are the same.
"""

import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from easel.engines.sketch.pictures.picture_pack import PACK, write
from tools.sketch_pictures.body import simplified
from tools.sketch_pictures.measure import measured

TONES: Final = ("light", "medium-light", "medium", "medium-dark", "dark")
_TONE: Final = re.compile(r"-(light|medium-light|medium|medium-dark|dark)$")
_UNWANTED: Final = re.compile(
    r"(^|-)(button|keycap|oclock|thirty|arrow|curving|tone\d)(-|$)|^(letter|digit)-|skin-tone|^flag-(?!in-hole)|^[0-9a-z]$"
    r"|-(no|ok)$|breast-feeding|middle-finger"
)
"""Symbols that nobody orders a picture of, and pictures that nobody should be surprised by."""
_DOUBLED_IN_NOTO: Final = re.compile(r"^(family|couple|kiss|face-with|smiling-face|disappointed-but|person-|wo?man-)")
CHARACTERS: Final = {
    "blackbird": "🐦‍⬛", "hugging-face": "🤗", "knocked-out-face": "😵", "phoenix-bird": "🐦‍🔥", "piata": "🪅",
    "pouting-face": "😡", "man-merpeople": "🧜‍♂️", "woman-merpeople": "🧜‍♀️", "person-merpeople": "🧜",
    "person-elf": "🧝", "person-fairy": "🧚", "person-genie": "🧞", "person-mage": "🧙", "person-superhero": "🦸",
    "person-supervillain": "🦹", "person-vampire": "🧛", "person-zombie": "🧟", "man-wrestling": "🤼‍♂️",
    "woman-wrestling": "🤼‍♀️", "person-wrestling": "🤼", "person-blonde-hair": "👱", "man-blonde-hair": "👱‍♂️",
    "woman-blonde-hair": "👱‍♀️", "man-deaf": "🧏‍♂️", "woman-deaf": "🧏‍♀️", "person-deaf": "🧏",
    "man-with-bunny-ears": "👯‍♂️", "woman-with-bunny-ears": "👯‍♀️", "person-with-bunny-ears": "👯",
}  # fmt: skip


def main(fluent: Path, noto: Path) -> None:
    """Write the pack into the package."""
    pictures = list(_chosen(_read(fluent, "icons.json"), _read(noto, "icons.json"), noto))
    write(PACK, pictures)
    print(f"{PACK}: {len(pictures)} pictures, {PACK.stat().st_size / 1e6:.1f} MB")


def _read(package: Path, name: str) -> dict[str, Any]:
    with tarfile.open(package) as archive:
        file = archive.extractfile(f"package/{name}")
        assert file is not None
        read: dict[str, Any] = json.load(file)
        return read


def _chosen(fluent: dict[str, Any], noto: dict[str, Any], noto_package: Path) -> Iterator[Any]:
    emoji = _emoji(_read(noto_package, "chars.json"))
    categories = _categories(_read(noto_package, "metadata.json"))
    people = {name for name, category in categories.items() if category == "People & Body"}
    for name, icon in sorted(fluent["icons"].items()):
        plain = _TONE.sub("", name)
        is_toned = plain != name and plain in fluent["icons"]
        if _UNWANTED.search(plain) or (is_toned and not _is_person(plain, people)):
            continue
        body = simplified(icon["body"], 32, 32)
        yield measured(name, emoji.get(plain, "") if not is_toned else "", categories.get(plain, ""), body)
    for name, icon in sorted(noto["icons"].items()):
        if name in fluent["icons"] or _UNWANTED.search(name) or _DOUBLED_IN_NOTO.search(name) or _TONE.search(name):
            continue
        body = simplified(icon["body"], icon.get("width", noto["width"]), icon.get("height", noto["height"]))
        yield measured(name, emoji.get(name, ""), categories.get(name, ""), body)


def _is_person(name: str, people: set[str]) -> bool:
    return name in people and re.match(r"(wo)?man|person|girl|boy|child|baby|old|mx|prince|santa", name) is not None


def _emoji(codes: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for code, name in codes.items():
        found.setdefault(name, "".join(chr(int(part, 16)) for part in code.split("-")))
    return found | CHARACTERS


def _categories(metadata: dict[str, Any]) -> dict[str, str]:
    return {name: category for category, names in metadata["categories"].items() for name in names}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
